import { CryptoMisuseError, requireLength } from "./errors.ts";
import { kdf } from "./kdf.ts";
import type { CipherId } from "./sealing.ts";
import { wipe } from "./wipe.ts";

export interface KeyInput {
  /** DialectRevision: 0x0202, 0x0210, 0x0300, 0x0302 or 0x0311. */
  readonly dialect: number;
  /** The whole GSS session key, as the mechanism gave it. */
  readonly sessionKey: Uint8Array;
  /** 3.1.1 only: the 64-byte preauthentication integrity hash up to the last SESSION_SETUP request. */
  readonly preauthHash?: Uint8Array | undefined;
  /** 3.1.1 only: the negotiated cipher. The AES-256 ciphers get 256-bit keys. */
  readonly cipher?: CipherId | undefined;
}

/** The keys of one session, seen from the client. The holder wipes them with the session. */
export interface SessionKeys {
  /** Session.SigningKey, 16 bytes. */
  readonly signing: Uint8Array;
  /** Session.EncryptionKey, client to server; 16 or 32 bytes; `undefined` below 3.0. */
  readonly encrypt: Uint8Array | undefined;
  /** Session.DecryptionKey, server to client; 16 or 32 bytes; `undefined` below 3.0. */
  readonly decrypt: Uint8Array | undefined;
  /** Session.ApplicationKey, 16 bytes. */
  readonly application: Uint8Array;
}

type Label = readonly [label: string, context: string];

/** MS-SMB2 3.2.5.3.1, dialects 3.0 and 3.0.2. The space in "ServerIn " is the standard's. */
const LABELS_30 = {
  signing: ["SMB2AESCMAC", "SmbSign"],
  encrypt: ["SMB2AESCCM", "ServerIn "],
  decrypt: ["SMB2AESCCM", "ServerOut"],
  application: ["SMB2APP", "SmbRpc"],
} as const satisfies Record<string, Label>;

/** MS-SMB2 3.2.5.3.1, dialect 3.1.1, where the context is the preauthentication integrity hash. */
const LABELS_311 = {
  signing: "SMBSigningKey",
  encrypt: "SMBC2SCipherKey",
  decrypt: "SMBS2CCipherKey",
  application: "SMBAppKey",
} as const;

/**
 * Derives the keys of a session (MS-SMB2 3.2.5.3.1 and 3.1.4.2).
 * The inputs are copied, never kept.
 *
 * @throws CryptoMisuseError for an unknown dialect, a missing hash, or an AES-256 cipher before 3.1.1.
 */
export function deriveKeys(input: KeyInput): SessionKeys {
  const { dialect, sessionKey: gssKey, preauthHash, cipher } = input;
  const sessionKey = new Uint8Array(16);
  sessionKey.set(gssKey.subarray(0, 16));
  switch (dialect) {
    case 0x0202:
    case 0x0210:
      return { signing: sessionKey, encrypt: undefined, decrypt: undefined, application: sessionKey.slice() };
    case 0x0300:
    case 0x0302: {
      if (cipher !== undefined && cipher !== "aes-128-ccm") {
        throw new CryptoMisuseError(`${cipher} is not a cipher of SMB 3.0`);
      }
      const derive = ([label, context]: Label): Uint8Array =>
        kdf(sessionKey, withNul(label), withNul(context), 128);
      const keys = {
        signing: derive(LABELS_30.signing),
        encrypt: derive(LABELS_30.encrypt),
        decrypt: derive(LABELS_30.decrypt),
        application: derive(LABELS_30.application),
      };
      wipe(sessionKey);
      return keys;
    }
    case 0x0311: {
      if (preauthHash === undefined) throw new CryptoMisuseError("SMB 3.1.1 keys need the preauth hash");
      requireLength("the SMB 3.1.1 preauth hash", preauthHash, 64);
      // Signing stays at 128 bits from the shortened key even where the ciphers use all of it.
      const long = cipher === "aes-256-ccm" || cipher === "aes-256-gcm";
      const [cipherBase, cipherBits] = long ? ([gssKey, 256] as const) : ([sessionKey, 128] as const);
      const keys = {
        signing: kdf(sessionKey, withNul(LABELS_311.signing), preauthHash, 128),
        encrypt: kdf(cipherBase, withNul(LABELS_311.encrypt), preauthHash, cipherBits),
        decrypt: kdf(cipherBase, withNul(LABELS_311.decrypt), preauthHash, cipherBits),
        application: kdf(sessionKey, withNul(LABELS_311.application), preauthHash, 128),
      };
      wipe(sessionKey);
      return keys;
    }
    default:
      throw new CryptoMisuseError(`no keys are defined for dialect 0x${dialect.toString(16)}`);
  }
}

function withNul(text: string): Uint8Array {
  return Buffer.from(`${text}\0`, "latin1");
}
