import type { Socket } from "node:net";
import { joinCompound, splitCompound } from "../../../../src/codec/compound.ts";
import { FrameSplitter, frame } from "../../../../src/codec/frame.ts";
import {
  Command,
  decodeHeader,
  encodeHeader,
  type Header,
  HeaderFlags,
} from "../../../../src/codec/header.ts";
import { encodeChangeNotifyResponse } from "../../../../src/codec/msg/change-notify.ts";
import { encodeErrorResponse } from "../../../../src/codec/msg/error-response.ts";
import {
  encodeFileNotifyInformation,
  type FileNotifyRecord,
} from "../../../../src/codec/msg/file-notify-information.ts";
import { NtStatus } from "../../../../src/codec/status.ts";
import { decodeTransform, encodeTransform } from "../../../../src/codec/transform.ts";
import type { SessionKeys } from "../../../../src/crypto/keys.ts";
import { PreauthHash } from "../../../../src/crypto/preauth.ts";
import { createSealer, NonceCounter, type Sealer } from "../../../../src/crypto/sealing.ts";
import {
  createSigner,
  defaultSigningAlgorithm,
  equalTags,
  gmacNonce,
  type Signer,
} from "../../../../src/crypto/signing.ts";
import { answer } from "./answers.ts";
import type { Incoming, Reply, Script } from "./script.ts";
import type { ScriptedServer } from "./server.ts";

/** A CHANGE_NOTIFY that waits. */
export interface PendingNotify {
  readonly header: Header;
  readonly asyncId: bigint;
  readonly sealed: boolean;
  readonly handle: string;
}

/** One connection to the scripted server. */
export class Peer {
  readonly server: ScriptedServer;
  readonly requests: Incoming[] = [];
  readonly pending: PendingNotify[] = [];
  /** Hexadecimal FileId -> name. */
  readonly handles: Map<string, string> = new Map();
  /** Handles whose listing has been read. */
  readonly listed: Set<string> = new Set();
  preauth: PreauthHash = PreauthHash.initial;
  dialect = 0x0311;
  sessionId = 0n;
  nextId = 1n;
  /** Over the SESSION_SETUP messages of the first login. */
  loginHash: PreauthHash = PreauthHash.initial;
  hashNext = false;
  /** The first login is through. */
  renewing = false;
  /** The handle opened last, for related compounds. */
  lastHandle = "";
  #signer: Signer | undefined;
  #sealOut: Sealer | undefined;
  #openIn: Sealer | undefined;
  readonly #nonces = new NonceCounter(12);
  readonly #socket: Socket;
  readonly #splitter = new FrameSplitter();
  #expectedId = 0n;
  #silent = false;

  constructor(socket: Socket, server: ScriptedServer) {
    this.#socket = socket;
    this.server = server;
    this.#splitter.maxLength = 1 << 23;
    socket.on("error", () => socket.destroy());
    socket.on("data", (chunk: Buffer) => {
      try {
        for (const each of this.#splitter.push(new Uint8Array(chunk))) this.#receive(each);
      } catch (error) {
        server.violations.push(error instanceof Error ? error.message : String(error));
        socket.destroy();
      }
    });
  }

  get script(): Script {
    return this.server.script;
  }

  get closed(): boolean {
    return this.#socket.destroyed;
  }

  /** From now on nothing is answered, though the socket lives. */
  fallSilent(): void {
    this.#silent = true;
  }

  hangUp(): void {
    this.#socket.destroy();
  }

  /** The keys of a fresh session; the names are the client's. */
  secure(keys: SessionKeys): void {
    if (this.script.securityMode === 0) return;
    const algorithm = this.script.signingAlgorithm ?? defaultSigningAlgorithm(this.dialect);
    this.#signer = createSigner(algorithm, keys.signing);
    const { cipher } = this.script;
    if (cipher === undefined || keys.encrypt === undefined || keys.decrypt === undefined) return;
    this.#openIn = createSealer(cipher, keys.encrypt);
    this.#sealOut = createSealer(cipher, keys.decrypt);
  }

  directories(): Readonly<Record<string, readonly string[]>> {
    return this.script.directories ?? { "": [], dir: [] };
  }

  /** Requests of one command so far. */
  count(command: number): number {
    return this.requests.filter(({ header }) => header.command === command).length;
  }

  /** Completes the oldest pending notify, or the given one. */
  notify(
    reply: Reply | readonly FileNotifyRecord[],
    target: PendingNotify | undefined = this.pending[0],
  ): void {
    if (target === undefined) throw new Error("no notify is pending");
    this.pending.splice(this.pending.indexOf(target), 1);
    const body = isRecords(reply)
      ? { body: encodeChangeNotifyResponse(encodeFileNotifyInformation(reply)) }
      : reply;
    const { header, asyncId, sealed } = target;
    this.send([this.build(header, { asyncId, credits: 0, sealed, ...body })], body.sealed ?? sealed);
  }

  /** Answers a request that the script had met with silence. */
  late(request: Incoming): void {
    const usual = answer(request, this);
    for (const reply of "length" in usual ? (usual as readonly Reply[]) : [usual as Reply]) {
      this.send([this.build(request.header, reply)], request.sealed);
    }
  }

  /** Bytes of one response message, signed as the reply says. */
  build(request: Header, reply: Reply): Uint8Array {
    const status = reply.status ?? NtStatus.SUCCESS;
    const asked = this.script.credits ?? ((credits: number) => credits);
    const messageId = reply.messageId ?? request.messageId;
    const header = encodeHeader({
      creditCharge: request.creditCharge,
      status,
      command: reply.command ?? request.command,
      credits: reply.credits ?? asked(request.credits, request),
      flags:
        HeaderFlags.SERVER_TO_REDIR |
        (request.flags & HeaderFlags.RELATED) |
        (reply.asyncId === undefined ? 0 : HeaderFlags.ASYNC_COMMAND),
      messageId,
      ...(reply.asyncId === undefined ? {} : { asyncId: reply.asyncId }),
      treeId: reply.treeId ?? request.treeId,
      sessionId: reply.sessionId ?? request.sessionId,
    });
    const body = reply.body ?? encodeErrorResponse();
    const message = new Uint8Array(header.length + body.length);
    message.set(header);
    message.set(body, header.length);
    return message;
  }

  sign(message: Uint8Array, how: Reply["signature"] = "good"): Uint8Array {
    if (this.#signer === undefined || how === "zero") return message;
    const { messageId } = decodeHeader(message);
    message[16] = (message[16] ?? 0) | HeaderFlags.SIGNED;
    message.set(this.#signer.compute(message, gmacNonce(messageId, { fromServer: true, cancel: false })), 48);
    if (how === "bad") message[48] = (message[48] ?? 0) ^ 1;
    return message;
  }

  /** Sends messages as one frame; `signatures` by position, default good, none on STATUS_PENDING. */
  send(
    messages: readonly Uint8Array[],
    sealed: boolean,
    signatures: readonly Reply["signature"][] = [],
  ): void {
    const early = this.script.signsTooEarly === true && messages.length > 1 && !sealed;
    if (early) for (const message of messages) this.sign(message);
    const joined = messages.length === 1 ? messages : joinCompound(messages);
    if (!sealed && !early) {
      for (const [index, message] of joined.entries()) {
        const interim = decodeHeader(message).status === NtStatus.PENDING;
        if (!interim) this.sign(message, signatures[index]);
      }
    }
    const whole = new Uint8Array(Buffer.concat(joined));
    this.raw(frame(sealed ? this.#seal(whole) : whole));
  }

  /** Any bytes. */
  raw(bytes: Uint8Array): void {
    if (this.#silent || this.#socket.destroyed) return;
    for (const chunk of this.script.chunks?.(bytes) ?? [bytes]) this.#socket.write(chunk);
  }

  #receive(bytes: Uint8Array): void {
    if (this.#silent) return;
    const sealed = bytes[0] === 0xfd;
    const plain = sealed ? this.#open(bytes) : bytes;
    const replies: Uint8Array[] = [];
    const signatures: Reply["signature"][] = [];
    for (const message of splitCompound(plain)) {
      const header = decodeHeader(message);
      const request = { header, message, sealed };
      this.requests.push(request);
      this.#checkId(header);
      this.#checkSignature(request);
      const scripted = this.script.on?.(request, this);
      if (scripted === "silence") continue;
      const usual = scripted ?? answer(request, this);
      for (const reply of "length" in usual ? (usual as readonly Reply[]) : [usual as Reply]) {
        const built = this.build(header, reply);
        if (header.command === Command.NEGOTIATE) this.preauth = this.preauth.update(built);
        if (this.hashNext) this.loginHash = this.loginHash.update(built);
        this.hashNext = false;
        if (reply.sealed !== undefined && reply.sealed !== sealed)
          this.send([built], reply.sealed, [reply.signature]);
        else {
          replies.push(built);
          signatures.push(reply.signature);
        }
      }
    }
    if (replies.length > 0) this.send(replies, sealed, signatures);
  }

  /** Ids must come in order, none skipped, none twice: the strictest reading of MS-SMB2 3.3.1.1. */
  #checkId(header: Header): void {
    if (header.command === Command.CANCEL) return;
    if (header.messageId !== this.#expectedId) {
      throw new Error(`message id ${header.messageId}, expected ${this.#expectedId}`);
    }
    this.#expectedId += BigInt(Math.max(1, header.creditCharge));
  }

  #checkSignature({ header, message, sealed }: Incoming): void {
    if (sealed || this.#signer === undefined) return;
    const claimed = message.slice(48, 64);
    const zeroed = message.slice();
    zeroed.fill(0, 48, 64);
    const cancel = header.command === Command.CANCEL;
    const expected = this.#signer.compute(zeroed, gmacNonce(header.messageId, { fromServer: false, cancel }));
    if ((header.flags & HeaderFlags.SIGNED) === 0 || !equalTags(claimed, expected)) {
      throw new Error(`command ${header.command} is not signed properly`);
    }
  }

  #open(bytes: Uint8Array): Uint8Array {
    const transform = decodeTransform(bytes);
    if (this.#openIn === undefined) throw new Error("sealed without a session");
    const nonce = transform.nonce.subarray(0, this.#openIn.nonceLength);
    return new Uint8Array(this.#openIn.open(transform.ciphertext, nonce, transform.aad, transform.signature));
  }

  #seal(plain: Uint8Array): Uint8Array {
    if (this.#sealOut === undefined) throw new Error("no cipher");
    const nonce = this.#nonces.next().subarray(0, this.#sealOut.nonceLength);
    const head = encodeTransform({ nonce, originalMessageSize: plain.length, sessionId: this.sessionId });
    const { ciphertext, tag } = this.#sealOut.seal(plain, nonce, head.subarray(20));
    head.set(tag, 4);
    return new Uint8Array(Buffer.concat([head, ciphertext]));
  }
}

function isRecords(reply: Reply | readonly FileNotifyRecord[]): reply is readonly FileNotifyRecord[] {
  return Array.isArray(reply);
}
