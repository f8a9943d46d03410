import { joinCompound } from "../../codec/compound.ts";
import { Command, encodeHeader, HeaderFlags } from "../../codec/header.ts";
import { scratch } from "../../codec/scratch.ts";
import { creditCharge } from "./credits.ts";
import { bytesToText, type PendingRequest } from "./request.ts";
import type { SessionSecurity } from "./security.ts";

/** What the sender needs to know of its connection. */
export interface OutboundContext {
  /** Dialect 2.1 or later, and the server said SMB2_GLOBAL_CAP_LARGE_MTU: CreditCharge is in use. */
  readonly multiCredit: boolean;
  readonly sessionId: bigint;
  readonly security: SessionSecurity | undefined;
}

/** CreditCharge of one request on this connection (MS-SMB2 3.2.4.1.5). */
export function chargeOf(request: PendingRequest, multiCredit: boolean): number {
  return multiCredit ? creditCharge(request.payload) : 1;
}

/**
 * Turns requests into the bytes of one frame: headers, ids from `firstId` on, compounding, then
 * signatures or the seal (MS-SMB2 3.2.4.1). Marks the requests as sent but does not register them.
 */
export function assemble(
  requests: readonly PendingRequest[],
  firstId: bigint,
  askFor: (charge: number) => number,
  context: OutboundContext,
): Uint8Array {
  const { security, multiCredit } = context;
  let id = firstId;
  const messages = requests.map((request) => {
    const charge = chargeOf(request, multiCredit);
    request.messageId = id;
    id += BigInt(charge);
    const header = encodeHeader({
      command: request.command,
      creditCharge: multiCredit && request.command !== Command.NEGOTIATE ? charge : 0,
      credits: askFor(charge),
      flags: (request.related ? HeaderFlags.RELATED : 0) | (request.dfs ? HeaderFlags.DFS : 0),
      messageId: request.messageId,
      treeId: request.treeId,
      sessionId: request.command === Command.NEGOTIATE ? 0n : context.sessionId,
    });
    const message = concat(header, request.body ?? EMPTY);
    request.body = undefined;
    request.state = "sent";
    return message;
  });
  const joined = messages.length === 1 ? messages : joinCompound(messages);
  return protect(requests, joined, security);
}

/**
 * The bytes of a CANCEL (MS-SMB2 3.2.4.24): no id of its own, no credits; by AsyncId once that is known,
 * since some servers look at nothing else then.
 */
export function assembleCancel(target: PendingRequest, context: OutboundContext): Uint8Array {
  const header = encodeHeader({
    command: Command.CANCEL,
    flags: target.asyncId === undefined ? 0 : HeaderFlags.ASYNC_COMMAND,
    messageId: target.messageId,
    ...(target.asyncId === undefined ? {} : { asyncId: target.asyncId }),
    sessionId: context.sessionId,
  });
  const message = concat(header, CANCEL_BODY);
  const { security } = context;
  if (security === undefined) return message;
  if (security.sealing) return security.seal(message);
  if (security.signing) security.sign(message, target.messageId, true);
  return message;
}

const EMPTY = new Uint8Array(0);
const CANCEL_BODY = new Uint8Array([4, 0, 0, 0]);

function protect(
  requests: readonly PendingRequest[],
  messages: readonly Uint8Array[],
  security: SessionSecurity | undefined,
): Uint8Array {
  // A re-authentication is signed, never sealed: MS-SMB2 3.3.4.1.4 keeps SESSION_SETUP out of transforms.
  const isLogin = requests[0]?.command === Command.SESSION_SETUP;
  const sealing = security?.sealing === true && !isLogin;
  for (const [index, request] of requests.entries()) {
    const message = messages[index] ?? EMPTY;
    request.encrypted = sealing;
    if (security?.signing === true && !sealing) {
      request.signature = bytesToText(security.sign(message, request.messageId, false));
    }
    request.onSent(message);
  }
  const whole = messages.length === 1 ? (messages[0] ?? EMPTY) : concat(...messages);
  return sealing && security !== undefined ? security.seal(whole) : whole;
}

function concat(...parts: readonly Uint8Array[]): Uint8Array {
  let length = 0;
  for (const part of parts) length += part.length;
  const whole = scratch(length);
  let at = 0;
  for (const part of parts) {
    whole.set(part, at);
    at += part.length;
  }
  return whole;
}
