import type { IncomingMessage } from "node:http";
import {
  type AddressBook,
  type Admissions,
  lostUpgrade,
  needsInHandshake,
  type TokenVerifier,
} from "../auth/index.ts";
import { refusalFacts } from "../facts.ts";
import { remedy } from "./refusal.ts";

const LONGEST_HOST = 200;

/**
 * What a handshake would meet that came as this plain request did, for people: a browser does not tell a page why its socket
 * was refused, and a proxy may have taken the upgrade out of it. One that it was taken out of is counted as refused.
 */
export function explain(
  request: IncomingMessage,
  admissions: Admissions,
  addresses: AddressBook,
  verifier: TokenVerifier,
): string {
  const { headers, socket, url = "" } = request;
  const { remoteAddress } = socket;
  const foreseen = admissions.foresee({ headers, url, remoteAddress });
  const lost = lostUpgrade(headers, foreseen.ok ? foreseen.client : (foreseen.fact.address ?? ""));
  if (lost !== undefined) refusalFacts.publish(lost);
  const name = `The name asked for was ${JSON.stringify((headers.host ?? "").slice(0, LONGEST_HOST))}.`;
  if (!foreseen.ok) {
    const { reason } = foreseen.fact;
    return `A handshake would be refused: ${remedy(reason) ?? reason}. ${name}`;
  }
  const token = needsInHandshake(verifier, request, addresses.isTrusted(remoteAddress));
  if (token !== undefined) return `A handshake would be refused: ${token}.`;
  return (
    "Nothing here speaks against a handshake; where it fails all the same, a proxy in between has to pass it on with " +
    `HTTP/1.1 and the headers Upgrade and Connection. ${name}`
  );
}
