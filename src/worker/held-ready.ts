import { joinPath } from "../base/path.ts";
import type { ChangesEvent, WatchEvent } from "../watch/events.ts";
import { isSame, type ToldFile, toldOf } from "../watch/ready/index.ts";
import type { Heard } from "./repeat.ts";

/**
 * Files found ready while another owner publishes: he may, or may not, have told them, and which he had is known when he
 * has let go.
 */
export class HeldReady {
  #events: { readonly event: ChangesEvent; readonly told: number | undefined }[] = [];

  get size(): number {
    return this.#events.length;
  }

  /** Keeps what is ready, and returns the rest; `undefined` where there is none. */
  keep(event: WatchEvent, told: number | undefined): WatchEvent | undefined {
    if (event.type !== "changes") return event;
    const ready = event.changes.filter(({ action }) => action === "ready");
    if (ready.length === 0) return event;
    this.#events.push({ event: { ...event, changes: ready }, told });
    const changes = event.changes.filter(({ action }) => action !== "ready");
    return changes.length === 0 ? undefined : { ...event, changes };
  }

  /** What is not among the files told. */
  take(toldFiles: readonly ToldFile[]): Heard[] {
    const known = new Map(toldFiles.map((file) => [file.path, file]));
    const events: Heard[] = [];
    for (const { event, told } of this.#events.splice(0)) {
      const changes = event.changes.filter((change) => {
        const path = joinPath(event.path, change.name);
        const before = known.get(path);
        return before === undefined || !isSame(before, toldOf(path, change));
      });
      if (changes.length > 0) events.push({ event: { ...event, changes }, told });
    }
    return events;
  }

  clear(): void {
    this.#events = [];
  }
}
