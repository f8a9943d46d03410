import type { CanonicalPath } from "../../base/path.ts";
import type { ChangesMessage, ResyncMessage } from "../../broker/message.ts";
import type { Cursor } from "../../fleet/port.ts";
import type { Late, PublicState, ResyncReason, ResyncScope, WatchMode } from "../../watch/events.ts";

export interface StateBody {
  readonly state: PublicState;
  readonly mode: WatchMode;
  readonly error?: string;
  readonly late?: Late;
}

/** What the hub hands to subscribers. `directory` is canonical, in the server's spelling. */
export type DirectoryEvent =
  | {
      readonly type: "changes";
      readonly directory: CanonicalPath;
      readonly cursor: Cursor;
      readonly body: ChangesMessage;
    }
  | {
      readonly type: "resync";
      readonly directory: CanonicalPath;
      readonly scope: ResyncScope;
      readonly reason: ResyncReason;
      readonly cursor: Cursor | undefined;
      readonly jitterMs?: number | undefined;
      /** Absent: nobody said so, it was found that messages are missing. */
      readonly body?: ResyncMessage | undefined;
    }
  | {
      readonly type: "state";
      readonly directory: CanonicalPath;
      /** Of the watched directory itself, not of one inside a recursive watch. */
      readonly own: boolean;
      readonly body: StateBody;
    };

export interface Subscriber {
  /** Must not throw, must not block. */
  deliver(event: DirectoryEvent): void;
}
