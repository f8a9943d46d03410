import { Command, commandName } from "../../codec/header.ts";
import { Capabilities } from "../../codec/msg/negotiate.ts";
import {
  decodeTreeConnectResponse,
  encodeTreeConnectRequest,
  ShareCapabilities,
  ShareFlags,
  ShareType,
  type TreeConnectResponse,
} from "../../codec/msg/tree-connect.ts";
import { encodeTreeDisconnectRequest } from "../../codec/msg/tree-disconnect.ts";
import { NtStatus } from "../../codec/status.ts";
import { SmbProtocolError, SmbSecurityError, SmbStatusError } from "../errors.ts";
import type { ServerInfo } from "../server-info.ts";
import { classifyStatus } from "../status-class.ts";
import type { Connection, RequestOptions, Response } from "../wire/index.ts";
import type { ExchangeOptions, Session } from "./session.ts";
import { needsValidation, validateNegotiate } from "./validate-negotiate.ts";

/** Something open on a tree that ends with it. */
export interface TreeResource {
  /** The server is about to close it together with the tree. */
  disown(): void;
}

/** One connected share on one session: what files are opened on (MS-SMB2 3.2.1.4). */
export class Tree {
  readonly session: Session;
  readonly id: number;
  readonly info: ServerInfo;
  /** Paths sent here are DFS paths (MS-SMB2 3.2.4.3). */
  readonly dfs: boolean;
  /** Open handles; each leaves when it is closed. */
  readonly resources: Set<TreeResource> = new Set();
  readonly #share: string;
  #closing: Promise<void> | undefined;

  private constructor(session: Session, share: string, id: number, response: TreeConnectResponse) {
    this.session = session;
    this.#share = share;
    this.id = id;
    this.dfs =
      (response.capabilities & ShareCapabilities.DFS) !== 0 ||
      (response.shareFlags & (ShareFlags.DFS | ShareFlags.DFS_ROOT)) !== 0;
    const { negotiated, security, connection } = session;
    const { host, port } = connection.options;
    this.info = {
      dialect: negotiated.dialect,
      signing: { active: security.signing, algorithm: security.signingAlgorithm },
      encryption: { active: security.sealing, cipher: security.cipher },
      clock: negotiated.serverClock,
      serverGuid: Buffer.from(negotiated.serverGuid).toString("hex"),
      capabilities: negotiated.serverCapabilities,
      maxTransactSize: negotiated.maxTransactSize,
      shareFlags: response.shareFlags,
      shareCapabilities: response.capabilities,
      kind: session.kind,
      version: session.version,
      mechanism: session.mechanism,
      location: connection.options.referred === true ? { host, port, share, names: [] } : undefined,
    };
  }

  /** @throws SmbStatusError, SmbSecurityError, SmbProtocolError, and the connection's errors */
  static async connect(
    session: Session,
    share: string,
    { signal }: { readonly signal?: AbortSignal | undefined } = {},
  ): Promise<Tree> {
    const { host } = session.connection.options;
    const [answer] = await session.exchange(
      [
        {
          command: Command.TREE_CONNECT,
          body: encodeTreeConnectRequest({ flags: 0, path: `\\\\${host}\\${share}` }),
        },
      ],
      { signal },
    );
    if (answer === undefined) throw new SmbProtocolError("TREE_CONNECT: no answer");
    const { status, treeId } = answer.header;
    if (status !== NtStatus.SUCCESS) throw new SmbStatusError("TREE_CONNECT", status);
    const response = decodeTreeConnectResponse(answer.message);
    if (response.shareType !== ShareType.DISK) throw new SmbProtocolError(`${share} is not a disk share`);
    if ((response.shareFlags & ShareFlags.ENCRYPT_DATA) !== 0) encrypt(session);
    if (needsValidation(session)) await validateNegotiate(session, treeId, signal);
    return new Tree(session, share, treeId, response);
  }

  /** CreditCharge is in use: one request may ask for more than 64 KiB. */
  get multiCredit(): boolean {
    const { dialect, capabilities } = this.info;
    return dialect >= 0x0210 && (capabilities & Capabilities.LARGE_MTU) !== 0;
  }

  get connection(): Connection {
    return this.session.connection;
  }

  /** Fulfilled when the connection below is gone: with the reason, or `undefined` after `close`. */
  get lost(): Promise<Error | undefined> {
    return this.connection.closed;
  }

  /**
   * Like `Session.exchange`, on this share. A status that says that session or share are gone ends the
   * connection, so that everyone on it learns at once.
   */
  async exchange(
    requests: readonly Omit<RequestOptions, "treeId">[],
    options: ExchangeOptions = {},
  ): Promise<Response[]> {
    const mine = requests.map((request) => ({ ...request, treeId: this.id }));
    const responses = await this.session.exchange(mine, options);
    for (const { header } of responses) this.judge(header.command, header.status);
    return responses;
  }

  /** One request whose only good answer is STATUS_SUCCESS. @throws SmbStatusError, and what `exchange` throws */
  async call(request: Omit<RequestOptions, "treeId">, options: ExchangeOptions = {}): Promise<Response> {
    const [response] = await this.exchange([request], options);
    if (response === undefined) throw new SmbProtocolError(`${commandName(request.command)}: no answer`);
    const { status } = response.header;
    if (status !== NtStatus.SUCCESS) throw new SmbStatusError(commandName(request.command), status);
    return response;
  }

  /** The name that CREATE takes for a path of this share; in DFS it starts with server and share (MS-SMB2 2.2.13). */
  nameOf(path: string): string {
    if (!this.dfs) return path;
    const prefix = `${this.connection.options.host}\\${this.#share}`;
    return path === "" ? prefix : `${prefix}\\${path}`;
  }

  /** Reads an answer. One that is malformed ends the connection. @throws SmbProtocolError */
  decode<T>(response: Response, decoder: (message: Uint8Array) => T): T {
    try {
      return decoder(response.message);
    } catch (cause) {
      throw this.broken(`${commandName(response.header.command)}: the answer is malformed`, cause);
    }
  }

  /** Ends the connection for a breach of the protocol, and returns the error to be thrown. */
  broken(message: string, cause?: unknown): SmbProtocolError {
    const error = new SmbProtocolError(message, cause);
    this.connection.destroy(error);
    return error;
  }

  /** Ends the connection when `status` says that what it stands on is gone. */
  judge(command: number, status: number): void {
    const kind = classifyStatus(status);
    if (kind === "re-session" || kind === "re-tree" || kind === "reconnect") {
      this.connection.destroy(new SmbStatusError(commandName(command), status));
    }
  }

  /**
   * The orderly end, within `closeMs`: sockets cut with armed watches on them slow Samba's notifyd down for
   * everyone. TREE_DISCONNECT closes all handles on the server's side; 10,000 handles on five connections
   * took Samba 1.5 s so, and 4 s by one CLOSE each. Idempotent; never rejects.
   */
  close(): Promise<void> {
    this.#closing ??= this.connection.close(async (signal) => {
      for (const resource of this.resources) resource.disown();
      // Both at once: the server goes on with what it has received even when we cannot wait for it.
      await Promise.all([
        this.connection.call(
          { command: Command.TREE_DISCONNECT, treeId: this.id, body: encodeTreeDisconnectRequest() },
          { signal },
        ),
        this.session.logOff(signal),
      ]);
    });
    return this.#closing;
  }
}

/** One share that wants encryption puts all of the session under it: one rule, nothing to forget. */
function encrypt(session: Session): void {
  const { security, connection } = session;
  if (connection.options.encryption === "off") {
    throw new SmbSecurityError("policy", "the share demands encryption, which is switched off", {
      remedy: { option: "encryption", value: "auto" },
    });
  }
  if (!security.canSeal)
    throw new SmbSecurityError("policy", "the share demands encryption, no cipher was agreed on");
  security.sealing = true;
}
