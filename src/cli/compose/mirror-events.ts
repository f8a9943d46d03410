import { AsyncQueue } from "../../base/async.ts";
import { ClosedError } from "../../base/errors.ts";
import type { CanonicalPath } from "../../base/path.ts";
import type { ChangesEvent, WatchMode } from "../../watch/events.ts";
import type {
  Mirror,
  MirrorEntry,
  MirrorPosition,
  MirrorReason,
  MirrorState,
} from "../../watch/mirror/index.ts";

/** What a mirror knows, and what becomes of it, one after the other. */
export type MirrorEvent =
  | {
      readonly type: "snapshot";
      /** Why it was taken. */
      readonly reason: MirrorReason;
      readonly position: MirrorPosition;
      readonly directory: CanonicalPath;
      readonly entries: readonly MirrorEntry[];
      /** Another directory of the same snapshot follows. */
      readonly more?: true;
    }
  | ChangesEvent
  | {
      readonly type: "state";
      readonly path: CanonicalPath;
      readonly state: MirrorState;
      readonly mode: WatchMode;
      readonly error?: string;
    };

/** @param signal - of the mirror: ends both. @throws what `ready` rejects with */
export async function* mirrorEvents(
  mirror: Mirror,
  signal?: AbortSignal,
): AsyncGenerator<MirrorEvent, void, undefined> {
  const queue = new AsyncQueue<MirrorEvent>(Number.POSITIVE_INFINITY);
  const put = (event: MirrorEvent): void => {
    try {
      queue.push(event);
    } catch (error) {
      if (!(error instanceof ClosedError)) throw error;
    }
  };
  let whole = false;
  const off = mirror.on("change", (change) => {
    if (change.type === "snapshot") {
      whole = true;
      for (const event of snapshotOf(mirror, change.reason, change.position)) put(event);
    } else if (change.type === "changes") put(change);
    else if (whole) put({ path: mirror.path, ...change });
  });
  mirror.ready.catch((error: unknown) => queue.fail(error));
  // Once it is whole, `ready` says no more.
  const onAbort = (): void => {
    if (whole) queue.end();
  };
  signal?.addEventListener("abort", onAbort, { once: true });
  try {
    yield* queue;
  } finally {
    signal?.removeEventListener("abort", onAbort);
    off();
    queue.end();
    await mirror.close();
  }
}

function* snapshotOf(mirror: Mirror, reason: MirrorReason, position: MirrorPosition): Generator<MirrorEvent> {
  const directories: CanonicalPath[] = [mirror.path];
  if (mirror.recursive) {
    for (const [path, { type }] of mirror.walk()) if (type === "directory") directories.push(path);
  }
  for (const [index, directory] of directories.entries()) {
    const more = index < directories.length - 1 ? ({ more: true } as const) : {};
    yield { type: "snapshot", reason, position, directory, entries: mirror.entries(directory), ...more };
  }
}
