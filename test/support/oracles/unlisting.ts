import type { Clock } from "../../../src/base/clock.ts";
import { AbortedError } from "../../../src/base/errors.ts";
import { parentOf } from "../../../src/base/path.ts";
import type { WatchHandle } from "../../../src/watch/api.ts";
import type { WatchEvent } from "../../../src/watch/events.ts";
import type { Interest } from "../../../src/watch/interest.ts";
import { LiveMirror } from "../../../src/watch/mirror/mirror.ts";
import { shownDirectories } from "../../../src/watch/mirror/shown.ts";
import type { Truth } from "./mirror.ts";

const EPOCH = "here-1";

/** The consumer of the stronger guarantee: takes a snapshot, applies what is told after it, and never lists. */
export class Unlisting {
  readonly #mirror: LiveMirror;
  #tooLarge = false;

  constructor(interest: Interest, handle: WatchHandle, clock: Clock) {
    this.#mirror = new LiveMirror({
      ...interest,
      caseSensitive: () => true,
      clock,
      take: async () => {
        const picture = handle.snapshot?.();
        this.#tooLarge = picture === "too-large";
        if (picture === undefined || typeof picture === "string") throw new AbortedError(picture);
        const directories = [...shownDirectories(picture, new Map())];
        return { epoch: EPOCH, told: picture.told, stored: true, servedBy: interest, directories };
      },
      failure: () => "again",
      onClose: () => undefined,
    });
    this.#mirror.fares({ state: "live", mode: "notify" });
    this.#mirror.renew("first");
  }

  get snapshots(): Readonly<Record<string, number>> {
    return this.#mirror.snapshots;
  }

  apply(event: WatchEvent, told: number | undefined): void {
    if (event.type !== "state") this.#mirror.hear({ ...event, epoch: EPOCH, told });
  }

  close(): Promise<void> {
    return this.#mirror.close();
  }

  /**
   * What is not as it is on the share, one line each.
   * @param types - whether entries are known for what they are: a server that tells a move as a rename of whatever has that
   *   name there says nothing of it
   */
  wrong(truth: ReadonlyMap<string, Truth>, types: boolean): string[] {
    const wrong = this.#tooLarge ? [] : differences(this.#mirror, truth);
    return types ? wrong : wrong.filter((line) => !line.endsWith(NOT_A_DIRECTORY));
  }
}

const NOT_A_DIRECTORY = ": not known to be a directory";

/** Of a mirror that never lists, against the share. */
export function differences(mirror: LiveMirror, truth: ReadonlyMap<string, Truth>): string[] {
  const wrong: string[] = [];
  const picture = new Map(mirror.walk());
  // What is too large is not remembered, nor is what lies below it.
  const partial = (path: string): boolean => {
    const above = parentOf(path);
    return !mirror.isWhole(above) || (above !== mirror.path && partial(above));
  };
  for (const [path, { directory }] of truth) {
    const entry = picture.get(path);
    if (entry === undefined) {
      if (!partial(path)) wrong.push(`${path}: missing`);
    } else if (directory && entry.type === "file") wrong.push(`${path}${NOT_A_DIRECTORY}`);
  }
  for (const path of picture.keys()) if (!truth.has(path) && !partial(path)) wrong.push(`${path}: a ghost`);
  return wrong;
}
