import { inspect } from "node:util";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { CryptoMisuseError, NonceExhaustedError, SealError } from "../../../src/crypto/errors.ts";
import { deriveKeys } from "../../../src/crypto/keys.ts";
import { PreauthHash } from "../../../src/crypto/preauth.ts";
import {
  CIPHER_IDS,
  type CipherId,
  cipherFromId,
  cipherKeyLength,
  createSealer,
  NonceCounter,
} from "../../../src/crypto/sealing.ts";
import {
  createSigner,
  defaultSigningAlgorithm,
  equalTags,
  gmacNonce,
  SIGNING_ALGORITHM_IDS,
  signingAlgorithmFromId,
} from "../../../src/crypto/signing.ts";
import { bytes, hex, vectors } from "./vectors.ts";

const CIPHERS = Object.keys(CIPHER_IDS) as CipherId[];

describe("deriveKeys", () => {
  it.each([0x0202, 0x0210])("signs with the session key in dialect %i", (dialect) => {
    const sessionKey = bytes(vectors.kdf30.sessionKey);
    const keys = deriveKeys({ dialect, sessionKey });
    expect(hex(keys.signing)).toBe(vectors.kdf30.sessionKey);
    expect(keys.encrypt).toBeUndefined();
    expect(keys.decrypt).toBeUndefined();
    keys.signing.fill(0);
    expect(hex(sessionKey)).toBe(vectors.kdf30.sessionKey);
    expect(hex(keys.application)).toBe(vectors.kdf30.sessionKey);
  });

  it.each([0x0300, 0x0302])("derives by label in dialect %i", (dialect) => {
    const keys = deriveKeys({ dialect, sessionKey: bytes(vectors.kdf30.sessionKey) });
    expect(hex(keys.signing)).toBe(vectors.kdf30.signing);
    expect(hex(keys.encrypt!)).toBe(vectors.kdf30.clientEncrypt);
    expect(hex(keys.decrypt!)).toBe(vectors.kdf30.clientDecrypt);
    expect(hex(keys.application)).toBe(vectors.kdf30.application);
  });

  it.each([undefined, "aes-128-ccm", "aes-128-gcm"] as const)("3.1.1 with %s", (cipher) => {
    const { smb311 } = vectors;
    const keys = deriveKeys({
      dialect: 0x0311,
      sessionKey: bytes(smb311.sessionKey),
      preauthHash: bytes(smb311.preauthAfter["sessionSetupRequest2"]!),
      cipher,
    });
    expect(hex(keys.signing)).toBe(smb311.signingKey);
    expect(hex(keys.encrypt!)).toBe(smb311.clientEncrypt128);
    expect(hex(keys.decrypt!)).toBe(smb311.clientDecrypt128);
    expect(hex(keys.application)).toBe(smb311.application);
  });

  it.each(["aes-256-ccm", "aes-256-gcm"] as const)("3.1.1 with %s: long cipher keys only", (cipher) => {
    const { smb311 } = vectors;
    const keys = deriveKeys({
      dialect: 0x0311,
      sessionKey: bytes(smb311.sessionKey),
      preauthHash: bytes(smb311.preauthAfter["sessionSetupRequest2"]!),
      cipher,
    });
    expect(hex(keys.signing)).toBe(smb311.signingKey);
    expect(hex(keys.encrypt!)).toBe(smb311.clientEncrypt256_computed);
    expect(hex(keys.decrypt!)).toBe(smb311.clientDecrypt256_computed);
    expect(hex(keys.application)).toBe(smb311.application);
  });

  it("uses all 32 bytes of a Kerberos key for AES-256, and the first 16 for the rest", () => {
    const preauthHash = new Uint8Array(64).fill(7);
    const long = Uint8Array.from({ length: 32 }, (_, i) => i);
    const from = (sessionKey: Uint8Array, cipher: CipherId) =>
      deriveKeys({ dialect: 0x0311, sessionKey, preauthHash, cipher });
    const short = long.slice(0, 16);
    expect(hex(from(long, "aes-128-gcm").encrypt!)).toBe(hex(from(short, "aes-128-gcm").encrypt!));
    expect(hex(from(long, "aes-256-gcm").signing)).toBe(hex(from(short, "aes-256-gcm").signing));
    expect(hex(from(long, "aes-256-gcm").encrypt!)).not.toBe(hex(from(short, "aes-256-gcm").encrypt!));
  });

  it("pads a short session key with zeros", () => {
    const keys = deriveKeys({ dialect: 0x0202, sessionKey: bytes("0102030405060708") });
    expect(hex(keys.signing)).toBe("01020304050607080000000000000000");
  });

  it("refuses what has no meaning", () => {
    const sessionKey = new Uint8Array(16);
    expect(() => deriveKeys({ dialect: 0x02ff, sessionKey })).toThrow(CryptoMisuseError);
    expect(() => deriveKeys({ dialect: 0x0311, sessionKey })).toThrow(CryptoMisuseError);
    expect(() => deriveKeys({ dialect: 0x0311, sessionKey, preauthHash: new Uint8Array(32) })).toThrow(
      CryptoMisuseError,
    );
    expect(() => deriveKeys({ dialect: 0x0300, sessionKey, cipher: "aes-256-gcm" })).toThrow(
      CryptoMisuseError,
    );
  });
});

describe("PreauthHash", () => {
  it("follows the published 3.1.1 exchange", () => {
    const { smb311 } = vectors;
    let hash = PreauthHash.initial;
    expect(hex(hash.value)).toBe("00".repeat(64));
    for (const name of [
      "negotiateRequest",
      "negotiateResponse",
      "sessionSetupRequest1",
      "sessionSetupResponse1",
      "sessionSetupRequest2",
    ] as const) {
      hash = hash.update(bytes(smb311[name]));
      expect(hex(hash.value), name).toBe(smb311.preauthAfter[name]);
    }
  });

  it("cannot be changed from outside", () => {
    const hash = PreauthHash.initial.update(bytes("01"));
    const before = hex(hash.value);
    hash.value.fill(0);
    hash.update(bytes("02"));
    expect(hex(hash.value)).toBe(before);
    expect(hex(PreauthHash.initial.value)).toBe("00".repeat(64));
  });
});

describe("signing", () => {
  it("verifies the final SESSION_SETUP response of the published exchange (AES-CMAC)", () => {
    const message = bytes(vectors.smb311.finalSessionSetupResponse);
    const signature = message.slice(48, 64);
    message.fill(0, 48, 64);
    const signer = createSigner("aes-cmac", bytes(vectors.smb311.signingKey));
    const tag = signer.compute(message, gmacNonce(3n, { fromServer: true, cancel: false }));
    expect(hex(tag)).toBe(vectors.smb311.finalSignatureCmac);
    expect(equalTags(tag, signature)).toBe(true);
  });

  it.each([
    ["echoRequest", { fromServer: false, cancel: false }],
    ["echoResponse", { fromServer: true, cancel: false }],
    ["cancelRequest", { fromServer: false, cancel: true }],
  ] as const)("AES-GMAC of %s", (name, subject) => {
    const [message, nonceHex, tag] = vectors.gmac[name];
    const nonce = gmacNonce(5n, subject);
    expect(hex(nonce)).toBe(nonceHex);
    const signer = createSigner("aes-gmac", bytes(vectors.gmac.key));
    expect(hex(signer.compute(bytes(message), nonce))).toBe(tag);
    expect(hex(signer.compute(bytes(message), nonce))).toBe(tag);
  });

  it("HMAC-SHA256 is cut to 16 bytes", () => {
    const signer = createSigner("hmac-sha256", bytes("0b".repeat(16)));
    expect(hex(signer.compute(Buffer.from("Hi There"), new Uint8Array(12)))).toBe(HMAC_TAG);
  });

  it("writes a 64-bit MessageId", () => {
    const nonce = gmacNonce(0xfedcba9876543210n, { fromServer: true, cancel: true });
    expect(hex(nonce)).toBe("1032547698badcfe03000000");
  });

  it("maps wire ids both ways and knows the defaults", () => {
    for (const [name, id] of Object.entries(SIGNING_ALGORITHM_IDS)) {
      expect(signingAlgorithmFromId(id)).toBe(name);
    }
    expect(signingAlgorithmFromId(3)).toBeUndefined();
    expect(signingAlgorithmFromId(-1)).toBeUndefined();
    expect([0x0202, 0x0210, 0x0300, 0x0302, 0x0311].map(defaultSigningAlgorithm)).toEqual([
      "hmac-sha256",
      "hmac-sha256",
      "aes-cmac",
      "aes-cmac",
      "aes-cmac",
    ]);
  });

  it("compares whole tags only", () => {
    const tag = bytes("00112233445566778899aabbccddeeff");
    expect(equalTags(tag, tag.slice())).toBe(true);
    expect(equalTags(tag, tag.subarray(0, 15))).toBe(false);
    for (let i = 0; i < 16; i++) {
      const other = tag.slice();
      other[i]! ^= 1;
      expect(equalTags(tag, other)).toBe(false);
    }
  });

  it("refuses other key and nonce lengths, and does not show keys", () => {
    for (const algorithm of ["hmac-sha256", "aes-cmac", "aes-gmac"] as const) {
      expect(() => createSigner(algorithm, new Uint8Array(32))).toThrow(CryptoMisuseError);
      const signer = createSigner(algorithm, bytes("c0ffee".padEnd(32, "7")));
      expect(inspect(signer, { depth: 9, showHidden: true })).not.toMatch(/c0 ?ff ?ee|192, 255, 238/);
      expect(JSON.stringify(signer)).toBe(`{"algorithm":"${algorithm}"}`);
    }
    const gmac = createSigner("aes-gmac", new Uint8Array(16));
    expect(() => gmac.compute(new Uint8Array(64), new Uint8Array(11))).toThrow(CryptoMisuseError);
  });
});

/** By `openssl mac -digest SHA256 -macopt hexkey:0b0b… HMAC`. */
const HMAC_TAG = "492ce020fe2534a5789dc3848806c78f";

describe("sealing", () => {
  /** Takes a TRANSFORM_HEADER apart (MS-SMB2 2.2.41). */
  const transform = (hexText: string, nonceLength: number) => {
    const frame = bytes(hexText);
    return {
      tag: frame.subarray(4, 20),
      nonce: frame.subarray(20, 20 + nonceLength),
      aad: frame.subarray(20, 52),
      ciphertext: frame.subarray(52),
    };
  };

  it.each([
    ["aes-128-ccm", 0x0300, vectors.transform30ccm, undefined],
    ["aes-128-gcm", 0x0311, vectors.transform311gcm, vectors.transform311gcm.preauth],
  ] as const)("%s: published messages of both directions", (cipher, dialect, vector, preauth) => {
    const keys = deriveKeys({
      dialect,
      sessionKey: bytes(vector.sessionKey),
      preauthHash: preauth === undefined ? undefined : bytes(preauth),
      cipher,
    });
    expect(hex(keys.encrypt!)).toBe(vector.clientEncrypt);
    expect(hex(keys.decrypt!)).toBe(vector.clientDecrypt);
    for (const [key, sealed, plain] of [
      [keys.encrypt!, vector.request, vector.requestPlain],
      [keys.decrypt!, vector.response, vector.responsePlain],
    ] as const) {
      const sealer = createSealer(cipher, key);
      const { tag, nonce, aad, ciphertext } = transform(sealed, sealer.nonceLength);
      expect(hex(sealer.open(ciphertext, nonce, aad, tag))).toBe(plain);
      const again = sealer.seal(bytes(plain), nonce, aad);
      expect(hex(again.ciphertext)).toBe(hex(ciphertext));
      expect(hex(again.tag)).toBe(hex(tag));
    }
  });

  it("round trips any message in every cipher", () => {
    fc.assert(
      fc.property(
        fc.constantFrom(...CIPHERS),
        fc.uint8Array({ maxLength: 300 }),
        fc.uint8Array({ minLength: 32, maxLength: 32 }),
        (cipher, plaintext, key) => {
          const sealer = createSealer(cipher, key.subarray(0, cipherKeyLength(cipher)));
          const nonce = new NonceCounter(sealer.nonceLength).next();
          const aad = key;
          const { ciphertext, tag } = sealer.seal(plaintext, nonce, aad);
          expect(ciphertext.length).toBe(plaintext.length);
          expect(tag.length).toBe(16);
          expect(hex(sealer.open(ciphertext, nonce, aad, tag))).toBe(hex(plaintext));
        },
      ),
    );
  });

  it.each(CIPHERS)("%s: one wrong bit anywhere is SMB_BAD_TAG, and no plaintext comes out", (cipher) => {
    const sealer = createSealer(cipher, new Uint8Array(cipherKeyLength(cipher)).fill(3));
    const nonce = new NonceCounter(sealer.nonceLength).next();
    const plaintext = Uint8Array.from({ length: 70 }, (_, i) => i);
    const aad = new Uint8Array(32).fill(9);
    const { ciphertext, tag } = sealer.seal(plaintext, nonce, aad);
    const parts = { ciphertext, nonce, aad, tag };
    for (const name of ["ciphertext", "nonce", "aad", "tag"] as const) {
      for (let i = 0; i < parts[name].length; i++) {
        const changed = { ...parts, [name]: Uint8Array.from(parts[name]) };
        changed[name][i]! ^= 0x10;
        let caught: unknown;
        try {
          sealer.open(changed.ciphertext, changed.nonce, changed.aad, changed.tag);
        } catch (error) {
          caught = error;
        }
        expect(caught, `${name}[${i}]`).toBeInstanceOf(SealError);
        expect(caught).toMatchObject({ code: "SMB_BAD_TAG", conclusion: "malformed" });
      }
    }
    expect(() => sealer.open(ciphertext.subarray(1), nonce, aad, tag)).toThrow(SealError);
  });

  it("maps wire ids both ways", () => {
    for (const cipher of CIPHERS) expect(cipherFromId(CIPHER_IDS[cipher])).toBe(cipher);
    expect(cipherFromId(0)).toBeUndefined();
    expect(cipherFromId(5)).toBeUndefined();
  });

  it("refuses other key, nonce and tag lengths, and does not show keys", () => {
    for (const cipher of CIPHERS) {
      expect(() => createSealer(cipher, new Uint8Array(24))).toThrow(CryptoMisuseError);
      const sealer = createSealer(cipher, new Uint8Array(cipherKeyLength(cipher)).fill(0xee));
      const aad = new Uint8Array(32);
      const nonce = new Uint8Array(sealer.nonceLength);
      expect(() => sealer.seal(aad, new Uint8Array(13), aad)).toThrow(CryptoMisuseError);
      expect(() => sealer.open(aad, nonce, aad, new Uint8Array(12))).toThrow(CryptoMisuseError);
      expect(inspect(sealer, { depth: 9, showHidden: true })).not.toMatch(/ee ee|238, 238/);
    }
  });
});

describe("NonceCounter", () => {
  it("counts from one in the low eight bytes", () => {
    const ccm = new NonceCounter(11);
    expect(hex(ccm.next())).toBe("0100000000000000000000");
    expect(hex(ccm.next())).toBe("0200000000000000000000");
    expect(hex(new NonceCounter(12).next())).toBe("010000000000000000000000");
  });

  it("refuses to wrap, for ever", () => {
    const counter = new NonceCounter(12, 2n ** 64n - 1n);
    expect(hex(counter.next())).toBe("ffffffffffffffff00000000");
    for (let i = 0; i < 3; i++) expect(() => counter.next()).toThrow(NonceExhaustedError);
    expect(() => new NonceCounter(12, 0n)).toThrow(CryptoMisuseError);
    expect(() => new NonceCounter(12, 2n ** 64n + 1n)).toThrow(CryptoMisuseError);
  });
});
