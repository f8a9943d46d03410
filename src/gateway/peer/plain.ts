import type { SubscribeRequest } from "./protocol.ts";

const SAMBEE_MEMBERS: ReadonlySet<string> = new Set(["action", "connection_id", "path"]);

/**
 * Whether a request to subscribe has no member that Sambee's protocol lacks. Who writes it knows `subscribed` and
 * `directory_changed` only, may have listed before, and never asks again on the same socket: Sambee's page
 * (1.0.9, `FileBrowser.tsx`) does all three.
 */
export function isPlain(request: SubscribeRequest): boolean {
  return Object.keys(request).every((member) => SAMBEE_MEMBERS.has(member));
}
