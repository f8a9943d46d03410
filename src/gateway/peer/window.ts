import type { Addressee, Pending, ToldEvent } from "./pending.ts";

/** Within one window so many frames go out at once for names of which nothing was told in it: what people do, not a burst. */
const PROMPT_FRAMES = 8;
/** Names that are remembered for that. */
const MOST_NAMES = 64;

/** After a frame for a directory, or of a mirrored tree, went out, what is no first news of a name waits here until `dueAt`. */
export class Window {
  readonly to: Addressee;
  dueAt = 0;
  pending: Pending[] = [];
  readonly #told = new Set<string>();
  #prompt = 0;

  constructor(to: Addressee) {
    this.to = to;
  }

  /** A frame went out, and another window begins with it. */
  open(dueAt: number): void {
    this.dueAt = dueAt;
    this.#told.clear();
    this.#prompt = 0;
  }

  /** Whether the event is the first news of a name, and may go out for that. */
  isNews(event: ToldEvent): boolean {
    if (event.type !== "changes" || !this.to.detail || this.#prompt >= PROMPT_FRAMES) return false;
    return event.body.changes.some(({ name }) => !this.#told.has(`${event.directory}/${name}`));
  }

  /** The event's names have been told, or wait. */
  note(event: ToldEvent): void {
    if (event.type !== "changes" || !this.to.detail) return;
    this.#prompt++;
    if (this.#told.size + event.body.changes.length > MOST_NAMES) this.#prompt = PROMPT_FRAMES;
    else for (const { name } of event.body.changes) this.#told.add(`${event.directory}/${name}`);
  }
}
