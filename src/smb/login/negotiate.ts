import { Command } from "../../codec/header.ts";
import {
  Capabilities,
  decodeNegotiateResponse,
  encodeNegotiateRequest,
  type NegotiateResponse,
  SecurityMode,
} from "../../codec/msg/negotiate.ts";
import { ContextType, type NegotiateContext, SHA_512 } from "../../codec/msg/negotiate-contexts.ts";
import { NtStatus } from "../../codec/status.ts";
import { PreauthHash } from "../../crypto/preauth.ts";
import { CIPHER_IDS, type CipherId, cipherFromId } from "../../crypto/sealing.ts";
import {
  defaultSigningAlgorithm,
  SIGNING_ALGORITHM_IDS,
  type SigningAlgorithm,
  signingAlgorithmFromId,
} from "../../crypto/signing.ts";
import { SmbProtocolError, SmbSecurityError, SmbStatusError } from "../errors.ts";
import { type ConnectionOptions, DIALECTS, type Dialect, dialectName } from "../options.ts";
import type { ServerClock } from "../server-info.ts";
import { type Connection, HandshakeCall } from "../wire/index.ts";

/** A server that offers less cannot even list a directory; no real one does. */
const SMALLEST_TRANSACT = 4_096;
const SALT_BYTES = 32;

/** What was said, and what came of it (MS-SMB2 3.2.1.2). */
export interface Negotiated {
  readonly dialect: Dialect;
  readonly signing: boolean;
  readonly signingAlgorithm: SigningAlgorithm;
  /** Absent where none is in common. */
  readonly cipher: CipherId | undefined;
  readonly serverGuid: Uint8Array;
  readonly serverCapabilities: number;
  readonly serverSecurityMode: number;
  readonly serverStartTime: bigint;
  readonly serverClock: ServerClock;
  /** Bytes. */
  readonly maxTransactSize: number;
  /** The server's SPNEGO hint; may be empty. */
  readonly securityBuffer: Uint8Array;
  readonly preauth: PreauthHash;
  /** Exactly as sent, for FSCTL_VALIDATE_NEGOTIATE_INFO and SESSION_SETUP. */
  readonly ourCapabilities: number;
  readonly ourSecurityMode: number;
  readonly ourDialects: readonly Dialect[];
  readonly clientGuid: Uint8Array;
}

/** Agrees on dialect, signing and encryption (MS-SMB2 3.2.4.2.2, 3.2.5.2). */
export async function negotiate(
  connection: Connection,
  { signal }: { readonly signal?: AbortSignal | undefined } = {},
): Promise<Negotiated> {
  const { options } = connection;
  const { dialects } = options;
  if (dialects.length === 0) throw new SmbSecurityError("policy", "no dialect is allowed");
  const newest = Math.max(...dialects);
  const ourCapabilities = newest < 0x0300 ? 0 : offeredCapabilities(options);
  const ourSecurityMode =
    SecurityMode.SIGNING_ENABLED | (options.signing === "required" ? SecurityMode.SIGNING_REQUIRED : 0);
  // Fresh for each connection: Samba hands connections that share one to a single process.
  const clientGuid = options.random(16);
  const call = new HandshakeCall(
    {
      command: Command.NEGOTIATE,
      body: encodeNegotiateRequest({
        securityMode: ourSecurityMode,
        capabilities: ourCapabilities,
        clientGuid,
        dialects,
        ...(newest === 0x0311 ? { contexts: offeredContexts(options) } : {}),
      }),
    },
    options.timeouts.requestMs,
  );
  connection.submit([call]);
  const { header, message } = await connection.settle(call, signal);
  if (header.status !== NtStatus.SUCCESS) {
    const error = new SmbStatusError("NEGOTIATE", header.status);
    throw header.status === NtStatus.NOT_SUPPORTED ? noCommonDialect(dialects, error) : error;
  }
  const response = decodeNegotiateResponse(message);
  const dialect = dialects.find((each) => each === response.dialect);
  if (dialect === undefined) {
    const known = DIALECTS.find((each) => each === response.dialect);
    const name = known === undefined ? `dialect 0x${response.dialect.toString(16)}` : dialectName(known);
    throw new SmbSecurityError("policy", `the server wants to speak SMB ${name}, which was not offered`, {
      ...(known === undefined ? {} : { remedy: { option: "dialects", value: known } }),
    });
  }
  if (response.maxTransactSize < SMALLEST_TRANSACT) {
    throw new SmbProtocolError(`NEGOTIATE: MaxTransactSize ${response.maxTransactSize}`);
  }
  const agreed =
    dialect === 0x0311 ? agreeByContexts(response, options) : agreeByDialect(dialect, response, options);
  const negotiated: Negotiated = {
    dialect,
    signing: willSign(dialect, response, options),
    ...agreed,
    serverGuid: response.serverGuid,
    serverCapabilities: response.capabilities,
    serverSecurityMode: response.securityMode,
    serverStartTime: response.serverStartTime,
    serverClock: { time: response.systemTime, at: connection.options.clock.monotonic() },
    maxTransactSize: response.maxTransactSize,
    securityBuffer: response.securityBuffer,
    preauth: PreauthHash.initial.update(call.sentMessage ?? new Uint8Array(0)).update(message),
    ourCapabilities,
    ourSecurityMode,
    ourDialects: dialects,
    clientGuid,
  };
  if (options.encryption === "required" && negotiated.cipher === undefined) {
    throw new SmbSecurityError(
      "policy",
      `encryption is required, and the server (SMB ${dialectName(dialect)}) has no cipher of ours`,
      { remedy: { option: "encryption", value: "auto" } },
    );
  }
  const largeMtu = (response.capabilities & Capabilities.LARGE_MTU) !== 0;
  connection.negotiated({ multiCredit: dialect >= 0x0210 && largeMtu });
  return negotiated;
}

/** What a server says that speaks none of what was offered (MS-SMB2 3.3.5.4): older ones than we accept, as a rule. */
function noCommonDialect(offered: readonly Dialect[], cause: SmbStatusError): SmbSecurityError {
  const oldest = DIALECTS.find((dialect) => offered.includes(dialect));
  const [older] = DIALECTS;
  const message = `the server speaks no SMB dialect from ${dialectName(oldest ?? older)} on`;
  return new SmbSecurityError("policy", message, {
    cause,
    ...(oldest === older ? {} : { remedy: { option: "dialects", value: older } }),
  });
}

function offeredCapabilities(options: ConnectionOptions): number {
  const encryption = options.encryption === "off" ? 0 : Capabilities.ENCRYPTION;
  return Capabilities.DFS | Capabilities.LARGE_MTU | encryption;
}

function offeredContexts(options: ConnectionOptions): NegotiateContext[] {
  const { ciphers, signingAlgorithms, encryption, host, random } = options;
  const contexts: NegotiateContext[] = [
    { type: ContextType.PREAUTH_INTEGRITY, hashAlgorithms: [SHA_512], salt: random(SALT_BYTES) },
  ];
  if (encryption !== "off" && ciphers.length > 0) {
    contexts.push({ type: ContextType.ENCRYPTION, ciphers: ciphers.map((cipher) => CIPHER_IDS[cipher]) });
  }
  if (signingAlgorithms.length > 0) {
    const algorithms = signingAlgorithms.map((algorithm) => SIGNING_ALGORITHM_IDS[algorithm]);
    contexts.push({ type: ContextType.SIGNING, algorithms });
  }
  contexts.push({ type: ContextType.NETNAME, name: host });
  return contexts;
}

interface Agreement {
  readonly signingAlgorithm: SigningAlgorithm;
  readonly cipher: CipherId | undefined;
}

/** Before 3.1.1 there is nothing to choose (MS-SMB2 3.2.5.2). */
function agreeByDialect(
  dialect: Dialect,
  response: NegotiateResponse,
  options: ConnectionOptions,
): Agreement {
  const encrypts = dialect >= 0x0300 && (response.capabilities & Capabilities.ENCRYPTION) !== 0;
  return {
    signingAlgorithm: defaultSigningAlgorithm(dialect),
    cipher: encrypts && options.encryption !== "off" ? "aes-128-ccm" : undefined,
  };
}

/** 3.1.1: each context at most once, each answer one of ours; what we do not know is ignored (MS-SMB2 3.2.5.2). */
function agreeByContexts(response: NegotiateResponse, options: ConnectionOptions): Agreement {
  const known = new Map<number, NegotiateContext>();
  for (const context of response.contexts) {
    if (context.type === "unknown") continue;
    if (known.has(context.type)) throw new SmbProtocolError(`NEGOTIATE: context ${context.type} twice`);
    known.set(context.type, context);
  }
  const preauth = known.get(ContextType.PREAUTH_INTEGRITY);
  if (preauth?.type !== ContextType.PREAUTH_INTEGRITY || !isOnly(preauth.hashAlgorithms, SHA_512)) {
    throw new SmbProtocolError(
      "NEGOTIATE: the server did not choose SHA-512 for preauthentication integrity",
    );
  }
  return {
    signingAlgorithm: agreedSigning(known.get(ContextType.SIGNING), options),
    cipher: agreedCipher(known.get(ContextType.ENCRYPTION), options),
  };
}

function agreedSigning(context: NegotiateContext | undefined, options: ConnectionOptions): SigningAlgorithm {
  if (context?.type !== ContextType.SIGNING) return defaultSigningAlgorithm(0x0311);
  const algorithm = signingAlgorithmFromId(context.algorithms[0] ?? -1);
  if (
    context.algorithms.length !== 1 ||
    algorithm === undefined ||
    !options.signingAlgorithms.includes(algorithm)
  ) {
    throw new SmbProtocolError("NEGOTIATE: the server chose a signing algorithm that was not offered");
  }
  return algorithm;
}

function agreedCipher(
  context: NegotiateContext | undefined,
  options: ConnectionOptions,
): CipherId | undefined {
  // An answer of cipher 0 says that none is in common.
  if (context?.type !== ContextType.ENCRYPTION || isOnly(context.ciphers, 0)) return undefined;
  const cipher = cipherFromId(context.ciphers[0] ?? 0);
  if (
    context.ciphers.length !== 1 ||
    cipher === undefined ||
    options.encryption === "off" ||
    !options.ciphers.includes(cipher)
  ) {
    throw new SmbProtocolError("NEGOTIATE: the server chose a cipher that was not offered");
  }
  return cipher;
}

function isOnly(ids: readonly number[], id: number): boolean {
  return ids.length === 1 && ids[0] === id;
}

function willSign(dialect: Dialect, response: NegotiateResponse, options: ConnectionOptions): boolean {
  const offered =
    (response.securityMode & (SecurityMode.SIGNING_ENABLED | SecurityMode.SIGNING_REQUIRED)) !== 0;
  if (options.signing === "required" && !offered) {
    throw new SmbSecurityError("policy", "signing is required, and the server does not offer it", {
      remedy: { option: "signing", value: "if-offered" },
    });
  }
  // 3.1.1 protects its own negotiation by signing, whatever the policy says.
  return offered || dialect === 0x0311;
}
