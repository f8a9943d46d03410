import { ignoreRejection, onAbort } from "../base/async.ts";
import { type Clock, systemClock } from "../base/clock.ts";
import { AbortedError, Smb2NatsError } from "../base/errors.ts";
import type { CanonicalPath } from "../base/path.ts";
import type { ShareWatch, WatchHandle, WatchOverrides } from "../watch/api.ts";
import {
  LiveMirror,
  lookAtUnknown,
  type Mirror,
  shownDirectories,
  type TakenSnapshot,
} from "../watch/mirror/index.ts";
import type { NoPicture } from "../watch/picture/index.ts";
import { SourceError } from "../watch/source.ts";

export interface MirrorOptions
  extends Omit<WatchOverrides, "checkpoint" | "openAudience" | "keepsPicture" | "onWaiting"> {
  /** Sub-directories too. Default false. */
  readonly recursive?: boolean;
  readonly signal?: AbortSignal | undefined;
}

/** There is one owner, and it never changes. */
const EPOCH = "here-1";

/** The picture cannot be had: now (`not-yet`), or because there are more entries than are remembered (`too-large`). */
export class NoPictureError extends Smb2NatsError {
  readonly why: NoPicture;
  constructor(why: NoPicture) {
    super("NO_PICTURE", "refused", `no picture: ${why}`, { retryable: why === "not-yet" });
    this.why = why;
  }
}

/** A mirror of a directory of a share that is watched in this process: without a broker, and without listing anything. */
export function mirrorShare(
  watches: ShareWatch,
  path: CanonicalPath,
  options: MirrorOptions & { readonly caseSensitive?: boolean; readonly clock?: Clock },
): Mirror {
  const { recursive = false, signal, caseSensitive = false, clock = systemClock, ...overrides } = options;
  const interest = { path, recursive };
  let handle: WatchHandle | undefined;
  const abort = (reason: unknown): void => mirror.fail(new AbortedError(reason));
  let forget = (): void => undefined;
  const mirror = new LiveMirror({
    ...interest,
    caseSensitive: () => caseSensitive,
    clock,
    take: async (stop): Promise<TakenSnapshot> => {
      const picture = handle?.snapshot?.() ?? "not-yet";
      if (typeof picture === "string") throw new NoPictureError(picture);
      const look = watches.look?.bind(watches) ?? (async () => new Map());
      const looks = await lookAtUnknown(picture, look, { signal: stop, clock });
      const directories = shownDirectories(picture, looks);
      return { epoch: EPOCH, told: picture.told, stored: true, servedBy: interest, directories };
    },
    failure: (error) => (error instanceof NoPictureError && error.why === "too-large" ? "final" : "again"),
    onClose: async () => {
      forget();
      await handle?.close();
    },
  });
  if (signal?.aborted === true) {
    abort(signal.reason);
    return mirror;
  }
  forget = onAbort(signal, abort);
  handle = watches.watch(
    interest,
    (event, told) => {
      if (event.type === "state") mirror.fares(event);
      else mirror.hear({ ...event, epoch: EPOCH, told });
    },
    { ...overrides, keepsPicture: true },
  );
  ignoreRejection(
    handle.live.then(
      () => {
        mirror.fares({ state: handle?.state ?? "live", mode: handle?.mode ?? "notify" });
        mirror.renew("first");
      },
      (error: unknown) => mirror.fail(error instanceof SourceError ? error : new AbortedError(error)),
    ),
  );
  return mirror;
}
