import { AV, AV_FLAG, type AvPair, avValue, encodeAvPairs } from "../../../src/auth/av-pairs.ts";
import {
  decodeAuthenticate,
  decodeNegotiate,
  encodeChallenge,
  MIC_OFFSET,
  NTLMSSP,
  utf16,
} from "../../../src/auth/ntlm-messages.ts";
import {
  decodeNtlmV2Response,
  firstMic,
  lmV2Response,
  messageIntegrity,
  ntowfv2,
  ntProofStr,
  sessionBaseKey,
} from "../../../src/auth/ntlmv2.ts";
import {
  decodeNegTokenInit,
  decodeNegTokenResp,
  encodeNegTokenInit,
  encodeNegTokenResp,
  MECH,
  type NegTokenResp,
} from "../../../src/auth/spnego.ts";
import { rc4 } from "../../../src/crypto/rc4.ts";
import { equalTags } from "../../../src/crypto/signing.ts";

export interface NtlmServerOptions {
  readonly username: string;
  readonly domain?: string;
  readonly password: string;
  /** Default: what Samba answers. */
  readonly flags?: number;
  /** Default: names and a timestamp. `null` sends no target info at all. */
  readonly avPairs?: readonly AvPair[] | null;
  readonly serverChallenge?: Uint8Array;
}

export const SERVER_FLAGS: number = 0xe2898215;

export const SERVER_PAIRS: readonly AvPair[] = [
  { id: AV.NB_DOMAIN_NAME, value: utf16("LAB") },
  { id: AV.NB_COMPUTER_NAME, value: utf16("NAS") },
  { id: AV.DNS_DOMAIN_NAME, value: utf16("lab.example") },
  { id: AV.DNS_COMPUTER_NAME, value: utf16("nas.lab.example") },
  { id: AV.TIMESTAMP, value: Uint8Array.of(1, 2, 3, 4, 5, 6, 7, 8) },
];

/** What a server concludes: a logon it must refuse throws this. */
export class LogonFailure extends Error {}

/**
 * The server's half of NTLMv2 in SPNEGO, strict: proof, MIC and mechListMIC must all be right.
 * One object per logon.
 */
export class NtlmServer {
  readonly #options: NtlmServerOptions;
  #mechTypeList: Uint8Array = new Uint8Array(0);
  #negotiate: Uint8Array = new Uint8Array(0);
  #challenge: Uint8Array = new Uint8Array(0);

  constructor(options: NtlmServerOptions) {
    this.#options = options;
  }

  /** Token of the NEGOTIATE response. */
  hint(): Uint8Array {
    return encodeNegTokenInit([MECH.NTLMSSP]);
  }

  /** Takes NEGOTIATE, gives CHALLENGE. */
  challenge(token: Uint8Array, overrides: NegTokenResp = {}): Uint8Array {
    const init = decodeNegTokenInit(token);
    if (init.mechToken === undefined) throw new LogonFailure("no mechToken");
    decodeNegotiate(init.mechToken);
    this.#mechTypeList = init.mechTypeList.slice();
    this.#negotiate = init.mechToken.slice();
    const pairs = this.#options.avPairs === undefined ? SERVER_PAIRS : this.#options.avPairs;
    const flags = this.#options.flags ?? SERVER_FLAGS;
    this.#challenge = encodeChallenge({
      flags,
      targetName: "LAB",
      serverChallenge: this.#options.serverChallenge ?? new Uint8Array(8).fill(0x5c),
      targetInfo: pairs === null ? undefined : encodeAvPairs(pairs),
      version: { major: 6, minor: 1, build: 0 },
    });
    return encodeNegTokenResp({
      negState: "accept-incomplete",
      supportedMech: MECH.NTLMSSP,
      responseToken: this.#challenge,
      ...overrides,
    });
  }

  /** Takes AUTHENTICATE, gives the last token and the session key. @throws LogonFailure */
  authenticate(token: Uint8Array): { readonly token: Uint8Array; readonly sessionKey: Uint8Array } {
    const response = decodeNegTokenResp(token);
    const raw = response.responseToken;
    if (raw === undefined) throw new LogonFailure("no AUTHENTICATE");
    const message = decodeAuthenticate(raw);
    if (message.userName !== this.#options.username || message.domainName !== (this.#options.domain ?? "")) {
      throw new LogonFailure(`unknown user ${message.domainName}\\${message.userName}`);
    }
    const {
      ntProofStr: proof,
      temp,
      avPairs,
      clientChallenge,
    } = decodeNtlmV2Response(message.ntChallengeResponse);
    const serverChallenge = this.#challenge.slice(24, 32);
    const responseKey = ntowfv2(message.userName, message.domainName, this.#options.password);
    if (!equalTags(proof, ntProofStr(responseKey, serverChallenge, temp))) {
      throw new LogonFailure("wrong password");
    }
    const baseKey = sessionBaseKey(responseKey, proof);
    const keyExchange = (message.flags & NTLMSSP.NEGOTIATE_KEY_EXCH) !== 0;
    const sessionKey = keyExchange ? rc4(baseKey, message.encryptedRandomSessionKey) : baseKey;

    const promised = ((avValue(avPairs, AV.FLAGS)?.[0] ?? 0) & AV_FLAG.MIC_PRESENT) !== 0;
    const sent = this.#options.avPairs === undefined ? SERVER_PAIRS : (this.#options.avPairs ?? []);
    if (!promised && avValue(sent, AV.TIMESTAMP) !== undefined) throw new LogonFailure("the MIC was dropped");
    if (promised) {
      const zeroed = Uint8Array.from(raw);
      zeroed.fill(0, MIC_OFFSET, MIC_OFFSET + 16);
      const mic = messageIntegrity(sessionKey, this.#negotiate, this.#challenge, zeroed);
      if (!equalTags(mic, message.mic)) throw new LogonFailure("wrong MIC");
    } else {
      const lm = lmV2Response(responseKey, serverChallenge, clientChallenge);
      if (!equalTags(lm, message.lmChallengeResponse)) throw new LogonFailure("wrong LMv2 response");
    }
    const mics = { exportedSessionKey: sessionKey, keyExchange, message: this.#mechTypeList };
    const expected = firstMic({ ...mics, direction: "client-to-server" });
    if (response.mechListMic === undefined || !equalTags(response.mechListMic, expected)) {
      throw new LogonFailure("wrong mechListMIC");
    }
    return {
      token: encodeNegTokenResp({
        negState: "accept-completed",
        mechListMic: firstMic({ ...mics, direction: "server-to-client" }),
      }),
      sessionKey,
    };
  }
}
