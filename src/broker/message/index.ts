/** The face of `message`: an event as headers and body, and back. */

export { decodeMessage, type EventMode, encodeMessage, unreadable } from "./message-codec.ts";
