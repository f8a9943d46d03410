import { splitCompound } from "../../codec/compound.ts";
import { Command, commandName, decodeHeader, type Header, HeaderFlags } from "../../codec/header.ts";
import { decodeLeaseBreak, isLeaseBreak } from "../../codec/msg/lease.ts";
import { NtStatus, statusName } from "../../codec/status.ts";
import { SealError } from "../../crypto/errors.ts";
import { SmbConnectionError, SmbProtocolError, SmbSecurityError } from "../errors.ts";
import type { DeadLetterFact } from "../facts.ts";
import type { CreditAccount } from "./credits.ts";
import type { PendingTable } from "./pending.ts";
import { bytesToText, type PendingRequest, type Response } from "./request.ts";
import type { SessionSecurity } from "./security.ts";

/** MS-SMB2 3.2.5.1.2: the id of messages that answer nothing. */
const UNSOLICITED = 0xffff_ffff_ffff_ffffn;

/** What the chain works on. Implemented by the connection. */
export interface InboundContext {
  readonly pending: PendingTable;
  readonly credits: CreditAccount;
  readonly security: SessionSecurity | undefined;
  /** The answer is final, registered as done, and believed. */
  deliver(request: PendingRequest, response: Response): void;
  /** The answer is STATUS_PENDING, and believed. */
  interim(request: PendingRequest): void;
  deadLetter(command: number, reason: DeadLetterFact["reason"]): void;
  /** The server wants a lease back. Returns whether there is such a lease. */
  recalled(leaseKey: Uint8Array): boolean;
}

/** One message on its way through the chain. */
interface Arrival {
  readonly header: Header;
  readonly message: Uint8Array;
  /** It came inside a transform that opened. */
  readonly sealed: boolean;
  /** Others are in the same frame. */
  readonly compound: boolean;
  /** The message before it in this frame was believed, and was refused because the session has expired. */
  readonly afterExpiry: boolean;
}

/**
 * The receive path: unseal, split, match, verify, credits, interim, deliver (MS-SMB2 3.2.5.1). What any
 * step throws ends the connection: after a message that cannot be believed nothing on the wire can be.
 */
export function receive(frame: Uint8Array, context: InboundContext): void {
  const sealed = frame[0] === 0xfd;
  const plain = sealed ? unseal(frame, context.security) : frame;
  // FE only: compression was never offered, and a transform does not nest.
  if (plain[0] !== 0xfe) {
    throw new SmbProtocolError(`a message with protocol id ${plain[0]?.toString(16) ?? "none"}`);
  }
  let afterExpiry = false;
  const messages = splitCompound(plain);
  for (const message of messages) {
    const header = decodeHeader(message);
    if ((header.flags & HeaderFlags.SERVER_TO_REDIR) === 0) {
      throw new SmbProtocolError("a request came from the server");
    }
    // A lease belongs to a client, not to a session: its recall names none (MS-SMB2 3.3.4.7).
    const addressed = header.messageId !== UNSOLICITED || header.sessionId !== 0n;
    if (sealed && addressed && header.sessionId !== context.security?.sessionId) {
      throw new SmbProtocolError("a sealed message names another session");
    }
    afterExpiry = accept({ header, message, sealed, compound: messages.length > 1, afterExpiry }, context);
  }
}

function unseal(frame: Uint8Array, security: SessionSecurity | undefined): Uint8Array {
  if (security === undefined) throw new SmbProtocolError("an encrypted message before any session");
  try {
    return security.open(frame);
  } catch (error) {
    if (error instanceof SealError) {
      throw new SmbSecurityError("bad-seal", "an encrypted message does not verify", { cause: error });
    }
    throw error;
  }
}

/** Whether it was refused, believably, because the session has expired. */
function accept(arrival: Arrival, context: InboundContext): boolean {
  const request = match(arrival, context);
  if (request === undefined) return false;
  const { header } = arrival;
  const expired =
    (header.status === NtStatus.NETWORK_SESSION_EXPIRED && header.command !== Command.SESSION_SETUP) ||
    draggedAlong(arrival, request);
  const interim = isInterim(header, request);
  if (!interim || arrival.sealed || request.encrypted) verify(arrival, request, context.security);
  checkAsyncId(header, request, interim);
  const first = request.asyncId === undefined;
  if (interim) {
    request.asyncId = header.asyncId;
    context.credits.grant(header.credits, first);
    if (request.state !== "abandoned") {
      request.state = "interim";
      context.interim(request);
    }
    return false;
  }
  // Credits first: they may break the protocol, and then the request must still be in the table to be failed
  // with the rest; and whoever gets the answer may want to send at once.
  context.credits.grant(header.credits, first);
  const abandoned = request.state === "abandoned";
  context.pending.remove(request);
  request.state = "done";
  const response = { header, message: arrival.message };
  if (abandoned) {
    context.deadLetter(header.command, "abandoned");
    request.onOrphan(response);
  } else {
    context.deliver(request, response);
  }
  return expired;
}

/** By MessageId and Command. `undefined` for messages that concern nobody and do no harm. */
function match({ header, message }: Arrival, context: InboundContext): PendingRequest | undefined {
  if (header.messageId === UNSOLICITED) {
    if (header.command !== Command.OPLOCK_BREAK) {
      throw new SmbProtocolError(`an unsolicited ${commandName(header.command)}`);
    }
    // It is never signed. Who forges one makes us close a handle and open it again, which we do anyway.
    const key = isLeaseBreak(message) ? decodeLeaseBreak(message).key : undefined;
    // Oplocks are never asked for: their break is for nobody, and must not be acknowledged.
    if (key === undefined || !context.recalled(key)) context.deadLetter(header.command, "unsolicited");
    return undefined;
  }
  const request = context.pending.get(header.messageId);
  if (request === undefined) {
    throw new SmbProtocolError(
      `${commandName(header.command)} answers message ${header.messageId}, which is not outstanding`,
    );
  }
  if (header.command === request.command) return request;
  if (header.command === Command.CANCEL) {
    // A server that did not accept our CANCEL says so under the id of its target, which stays pending.
    // Nothing is believed but that cancelling does not work here.
    context.deadLetter(header.command, "refused-cancel");
    return undefined;
  }
  throw new SmbProtocolError(
    `${commandName(header.command)} answers a ${commandName(request.command)} request`,
  );
}

function isInterim(header: Header, request: PendingRequest): boolean {
  if (header.status !== NtStatus.PENDING) return false;
  if ((header.flags & HeaderFlags.ASYNC_COMMAND) === 0) {
    throw new SmbProtocolError(`STATUS_PENDING for ${commandName(request.command)} is not asynchronous`);
  }
  return true;
}

function checkAsyncId(header: Header, request: PendingRequest, interim: boolean): void {
  if (request.asyncId === undefined) return;
  if (interim) throw new SmbProtocolError(`a second STATUS_PENDING for ${commandName(request.command)}`);
  if ((header.flags & HeaderFlags.ASYNC_COMMAND) === 0 || header.asyncId !== request.asyncId) {
    throw new SmbProtocolError(`the final answer to ${commandName(request.command)} has another AsyncId`);
  }
}

/**
 * MS-SMB2 3.2.5.1.3. An interim response is never signed, and says nothing but an AsyncId and credits;
 * it is sealed where the session is.
 */
function verify(arrival: Arrival, request: PendingRequest, security: SessionSecurity | undefined): void {
  if (arrival.sealed || security === undefined || draggedAlong(arrival, request)) return;
  const { header, message } = arrival;
  const name = commandName(header.command);
  if (request.encrypted) {
    tolerateGone(header, request);
    throw new SmbSecurityError("unencrypted", `the answer to an encrypted ${name} is not encrypted`);
  }
  if (!security.signing) return;
  if ((header.flags & HeaderFlags.SIGNED) === 0) {
    // Before its last round a (re-)authentication has nothing to sign; its refusal carries no data.
    if (header.command === Command.SESSION_SETUP && header.status !== NtStatus.SUCCESS) return;
    tolerateGone(header, request);
    throw new SmbSecurityError(
      "unsigned",
      `the answer to ${name} is not signed (${statusName(header.status)})`,
    );
  }
  if (!security.verify(message, header.messageId)) {
    tolerateGone(header, request);
    const { compound } = arrival;
    throw new SmbSecurityError("bad-signature", `the signature of the answer to ${name} is wrong`, {
      compound,
    });
  }
}

/**
 * Samba looks at the session of a compound once: what follows the message that it refuses because the session
 * has expired gets STATUS_INVALID_PARAMETER, unsigned (seen with 4.17). Whoever forges that makes us repeat
 * a compound that we repeat anyway.
 */
function draggedAlong({ header, afterExpiry }: Arrival, request: PendingRequest): boolean {
  return afterExpiry && request.related && header.status === NtStatus.INVALID_PARAMETER;
}

/**
 * Some servers notice that session or tree are gone before they get to signing. That much may be
 * believed, since anyone who can forge it can cut the connection as well: it ends the connection.
 */
function tolerateGone(header: Header, request: PendingRequest): void {
  const { status, signature } = header;
  const careless = signature.every((byte) => byte === 0) || request.signature === bytesToText(signature);
  const gone =
    status === NtStatus.USER_SESSION_DELETED ||
    (careless &&
      (status === NtStatus.NETWORK_NAME_DELETED ||
        status === NtStatus.FILE_CLOSED ||
        status === NtStatus.INVALID_PARAMETER));
  if (gone) throw new SmbConnectionError(`the server gave the session up: ${statusName(status)}`);
}
