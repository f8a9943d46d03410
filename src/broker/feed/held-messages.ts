import type { Incoming } from "./stored-messages.ts";

const BUFFER_MESSAGES = 20_000;
const BUFFER_BYTES = 64 * 1_048_576;

/** Live messages that wait until the stream was read up to them, within a bound: all of them are in the stream, too. */
export class HeldMessages {
  #messages: Incoming[] = [];
  #bytes = 0;

  /** False where there were too many: none is held any more, and the stream must be read for them. */
  add(message: Incoming): boolean {
    this.#messages.push(message);
    this.#bytes += message.data.length;
    if (this.#messages.length <= BUFFER_MESSAGES && this.#bytes <= BUFFER_BYTES) return true;
    this.take();
    return false;
  }

  /** In the order in which they came; none is held any more. */
  take(): readonly Incoming[] {
    const messages = this.#messages;
    this.#messages = [];
    this.#bytes = 0;
    return messages;
  }
}
