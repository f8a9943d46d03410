import { throwIfAborted } from "../base/async.ts";
import { rc4 } from "../crypto/rc4.ts";
import { equalTags } from "../crypto/signing.ts";
import { wipe } from "../crypto/wipe.ts";
import { AV, type AvPair, avName, avValue, decodeAvPairs, encodeAvPairs } from "./av-pairs.ts";
import { AuthError } from "./errors.ts";
import {
  type ChallengeMessage,
  decodeChallenge,
  encodeAuthenticate,
  encodeNegotiate,
  MIC_OFFSET,
  NTLMSSP,
  type NtlmVersion,
} from "./ntlm-messages.ts";
import {
  clientAvPairs,
  clientChallengeBlob,
  fileTime,
  firstMic,
  hmacMd5,
  lmV2Response,
  messageIntegrity,
  ntowfv2,
  ntProofStr,
  sessionBaseKey,
} from "./ntlmv2.ts";
import { readPassword } from "./password.ts";
import type { AuthExchange, AuthTarget } from "./provider.ts";
import {
  decodeNegTokenInit,
  decodeNegTokenResp,
  encodeMechTypeList,
  encodeNegTokenInit,
  encodeNegTokenResp,
  MECH,
  type NegTokenResp,
} from "./spnego.ts";

/** What a server says about itself in its CHALLENGE; covered by the MIC once the exchange is complete. */
export interface NtlmPeer {
  readonly version: NtlmVersion | undefined;
  readonly netbiosComputer: string | undefined;
  readonly netbiosDomain: string | undefined;
  readonly dnsComputer: string | undefined;
  readonly dnsDomain: string | undefined;
}

export interface NtlmExchange extends AuthExchange {
  /** Known once the CHALLENGE has been read. */
  readonly peer: NtlmPeer | undefined;
}

/** What a provider hands to each of its exchanges. */
export interface NtlmSettings {
  readonly user: string;
  readonly domain: string;
  readonly workstation: string;
  readonly password: string | (() => string);
  readonly random: (length: number) => Uint8Array;
  readonly now: () => number;
}

const WANTED =
  (NTLMSSP.NEGOTIATE_UNICODE |
    NTLMSSP.REQUEST_TARGET |
    NTLMSSP.NEGOTIATE_SIGN |
    NTLMSSP.NEGOTIATE_NTLM |
    NTLMSSP.NEGOTIATE_ALWAYS_SIGN |
    NTLMSSP.NEGOTIATE_EXTENDED_SESSIONSECURITY |
    NTLMSSP.NEGOTIATE_VERSION |
    NTLMSSP.NEGOTIATE_128 |
    NTLMSSP.NEGOTIATE_KEY_EXCH |
    NTLMSSP.NEGOTIATE_56) >>>
  0;

const VERSION: NtlmVersion = { major: 10, minor: 0, build: 0 };

/** Only one mechanism is offered: nothing to downgrade to, and the list that the MIC covers never varies. */
const MECH_TYPES = [MECH.NTLMSSP] as const;

/**
 * - `start`: nothing sent.
 * - `negotiated`: NEGOTIATE is out, CHALLENGE is due.
 * - `authenticated`: AUTHENTICATE is out; only the server's last word is due.
 * - `complete`: the session key may be used.
 * - `over`: failed or closed; keys are wiped.
 */
type State = "start" | "negotiated" | "authenticated" | "complete" | "over";

/** One SESSION_SETUP conversation. */
export class NtlmV2Exchange implements NtlmExchange {
  readonly mechanism = "ntlm";
  readonly #settings: NtlmSettings;
  readonly #target: AuthTarget;
  #state: State = "start";
  #negotiate: Uint8Array = new Uint8Array(0);
  #exportedSessionKey: Uint8Array = new Uint8Array(0);
  #keyExchange = false;
  #peer: NtlmPeer | undefined;

  constructor(settings: NtlmSettings, target: AuthTarget) {
    this.#settings = settings;
    this.#target = target;
  }

  get peer(): NtlmPeer | undefined {
    return this.#peer;
  }

  async next(
    serverToken: Uint8Array | undefined,
    options: { readonly final: boolean; readonly signal?: AbortSignal | undefined },
  ): Promise<Uint8Array | undefined> {
    try {
      throwIfAborted(options.signal);
      return this.#step(serverToken ?? new Uint8Array(0), options.final);
    } catch (error) {
      this.close();
      throw error;
    }
  }

  sessionKey(): Uint8Array {
    if (this.#state !== "complete") {
      throw new AuthError("AUTH_NOT_COMPLETE", "NTLM: there is no session key before the last token");
    }
    return Uint8Array.from(this.#exportedSessionKey);
  }

  close(): void {
    this.#state = "over";
    wipe(this.#exportedSessionKey);
  }

  #step(token: Uint8Array, final: boolean): Uint8Array | undefined {
    switch (this.#state) {
      case "start":
        return this.#start(token, final);
      case "negotiated":
        return this.#answer(token, final);
      case "authenticated":
        return this.#finish(token, final);
      case "complete":
        throw unexpected("a token after the last one");
      case "over":
        throw new AuthError("AUTH_OVER", "NTLM: this exchange is over");
    }
  }

  #start(token: Uint8Array, final: boolean): Uint8Array {
    if (token.length > 0 || final) throw unexpected("a server token before our first");
    this.#checkHint();
    hmacMd5(new Uint8Array(16));
    this.#negotiate = encodeNegotiate({ flags: WANTED }, VERSION);
    this.#state = "negotiated";
    return encodeNegTokenInit(MECH_TYPES, this.#negotiate);
  }

  /**
   * The hint is not authenticated: one that cannot be read is no reason to stop, a clear "no" saves a
   * round trip.
   */
  #checkHint(): void {
    const { serverToken } = this.#target;
    if (serverToken.length === 0) return;
    let offered: readonly string[];
    try {
      offered = decodeNegTokenInit(serverToken).mechTypes;
    } catch {
      return;
    }
    if (!offered.includes(MECH.NTLMSSP)) {
      throw new AuthError(
        "AUTH_MECHANISM_REFUSED",
        `the server does not offer NTLM, only ${offered.join(", ") || "nothing"}`,
      );
    }
  }

  #answer(token: Uint8Array, final: boolean): Uint8Array {
    const response = decodeNegTokenResp(token);
    refuseOther(response);
    if (final || response.negState === "accept-completed") throw unexpected("success before our proof");
    if (response.responseToken === undefined) throw unexpected("no CHALLENGE");
    const rawChallenge = response.responseToken;
    const challenge = decodeChallenge(rawChallenge);
    const serverPairs = requireStrong(challenge);
    this.#peer = {
      version: challenge.version,
      netbiosComputer: avName(serverPairs, AV.NB_COMPUTER_NAME),
      netbiosDomain: avName(serverPairs, AV.NB_DOMAIN_NAME),
      dnsComputer: avName(serverPairs, AV.DNS_COMPUTER_NAME),
      dnsDomain: avName(serverPairs, AV.DNS_DOMAIN_NAME),
    };
    if (this.#peer.netbiosComputer === undefined && this.#peer.netbiosDomain === undefined) {
      throw new AuthError("AUTH_MISSING_NAMES", "NTLM: the server names neither its computer nor its domain");
    }
    this.#keyExchange = (challenge.flags & NTLMSSP.NEGOTIATE_KEY_EXCH) !== 0;
    const authenticate = this.#authenticate(challenge, serverPairs, rawChallenge);
    this.#state = "authenticated";
    return encodeNegTokenResp({
      negState: "accept-incomplete",
      responseToken: authenticate,
      mechListMic: this.#mechListMic("client-to-server"),
    });
  }

  #authenticate(
    challenge: ChallengeMessage,
    serverPairs: readonly AvPair[],
    rawChallenge: Uint8Array,
  ): Uint8Array {
    const { user, domain, workstation } = this.#settings;
    const { serverChallenge } = challenge;
    const timestamp = avValue(serverPairs, AV.TIMESTAMP);
    const clientChallenge = this.#random(8);
    const temp = clientChallengeBlob({
      time: timestamp ?? fileTime(this.#settings.now()),
      clientChallenge,
      targetInfo: encodeAvPairs(clientAvPairs(serverPairs, `cifs/${this.#target.host}`)),
    });

    const responseKey = ntowfv2(user, domain, readPassword(this.#settings.password));
    const proof = ntProofStr(responseKey, serverChallenge, temp);
    const keyExchangeKey = sessionBaseKey(responseKey, proof);
    const lm =
      timestamp === undefined
        ? lmV2Response(responseKey, serverChallenge, clientChallenge)
        : new Uint8Array(24);
    wipe(responseKey);

    this.#exportedSessionKey = this.#keyExchange ? this.#random(16) : Uint8Array.from(keyExchangeKey);
    const encryptedRandomSessionKey = this.#keyExchange
      ? rc4(keyExchangeKey, this.#exportedSessionKey)
      : new Uint8Array(0);
    wipe(keyExchangeKey);

    const message = encodeAuthenticate({
      flags: (challenge.flags & (WANTED | NTLMSSP.NEGOTIATE_TARGET_INFO)) >>> 0,
      lmChallengeResponse: lm,
      ntChallengeResponse: Buffer.concat([proof, temp]),
      domainName: domain,
      userName: user,
      workstation,
      encryptedRandomSessionKey,
      version: VERSION,
      mic: new Uint8Array(16),
    });
    if (timestamp !== undefined) {
      message.set(
        messageIntegrity(this.#exportedSessionKey, this.#negotiate, rawChallenge, message),
        MIC_OFFSET,
      );
    }
    return message;
  }

  /** SMB's own signature covers the last token too, so a server that sends none is let pass. */
  #finish(token: Uint8Array, final: boolean): undefined {
    const response = token.length === 0 ? {} : decodeNegTokenResp(token);
    refuseOther(response);
    if (!final) throw unexpected("a further round after our proof");
    if (response.negState !== undefined && response.negState !== "accept-completed") {
      throw unexpected(`success with SPNEGO state ${response.negState}`);
    }
    if (response.responseToken !== undefined && response.responseToken.length > 0) {
      throw unexpected("an NTLM message after our proof");
    }
    if (
      response.mechListMic !== undefined &&
      !equalTags(response.mechListMic, this.#mechListMic("server-to-client"))
    ) {
      throw new AuthError("AUTH_BAD_MIC", "SPNEGO: the server's mechListMIC does not verify");
    }
    this.#state = "complete";
    return undefined;
  }

  #mechListMic(direction: "client-to-server" | "server-to-client"): Uint8Array {
    return firstMic({
      exportedSessionKey: this.#exportedSessionKey,
      direction,
      keyExchange: this.#keyExchange,
      message: encodeMechTypeList(MECH_TYPES),
    });
  }

  #random(length: number): Uint8Array {
    const bytes = this.#settings.random(length);
    if (bytes.length !== length) {
      throw new AuthError(
        "AUTH_BAD_CREDENTIALS",
        `the random source gave ${bytes.length} of ${length} bytes`,
      );
    }
    return Uint8Array.from(bytes);
  }
}

/** What NTLMv2 with integrity needs of the server (MS-NLMP 3.1.5.1.2). Returns its AV pairs. */
function requireStrong(challenge: ChallengeMessage): AvPair[] {
  const needed = {
    Unicode: NTLMSSP.NEGOTIATE_UNICODE,
    "extended session security": NTLMSSP.NEGOTIATE_EXTENDED_SESSIONSECURITY,
    "128-bit keys": NTLMSSP.NEGOTIATE_128,
  };
  const missing = Object.entries(needed)
    .filter(([, flag]) => (challenge.flags & flag) === 0)
    .map(([name]) => name);
  if (challenge.targetInfo === undefined || challenge.targetInfo.length === 0) missing.push("target info");
  if (missing.length > 0 || challenge.targetInfo === undefined) {
    throw new AuthError(
      "AUTH_WEAK_CHALLENGE",
      `NTLM: the server's challenge is without ${missing.join(", ")}`,
    );
  }
  return decodeAvPairs(challenge.targetInfo);
}

function refuseOther(response: NegTokenResp): void {
  if (response.negState === "reject") throw new AuthError("AUTH_REJECTED", "SPNEGO: the server rejects NTLM");
  if (response.supportedMech !== undefined && response.supportedMech !== MECH.NTLMSSP) {
    throw new AuthError(
      "AUTH_MECHANISM_REFUSED",
      `SPNEGO: the server chose ${response.supportedMech}, which was not offered`,
    );
  }
}

function unexpected(what: string): AuthError {
  return new AuthError("AUTH_UNEXPECTED_TOKEN", `NTLM: ${what}`);
}
