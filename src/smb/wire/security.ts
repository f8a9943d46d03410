import { HeaderFlags } from "../../codec/header.ts";
import { decodeTransform, encodeTransform } from "../../codec/transform.ts";
import type { SessionKeys } from "../../crypto/keys.ts";
import { plain } from "../../crypto/plain.ts";
import { type CipherId, createSealer, NonceCounter, type Sealer } from "../../crypto/sealing.ts";
import {
  createSigner,
  equalTags,
  gmacNonce,
  type Signer,
  type SigningAlgorithm,
} from "../../crypto/signing.ts";
import { wipe } from "../../crypto/wipe.ts";
import { SmbProtocolError } from "../errors.ts";

const FLAGS_AT = 16;
const SIGNATURE_AT = 48;
const HEADER_BYTES = 64;
const TRANSFORM_TAG_AT = 4;
const TRANSFORM_AAD_AT = 20;

export interface SecurityParameters {
  readonly sessionId: bigint;
  readonly keys: SessionKeys;
  readonly signingAlgorithm: SigningAlgorithm;
  /** Absent where no cipher was agreed on. */
  readonly cipher: CipherId | undefined;
  /** Sign what we send and demand signatures. */
  readonly signing: boolean;
}

/** The keys of one session at work: signing and sealing of whole messages. */
export class SessionSecurity {
  readonly sessionId: bigint;
  readonly signing: boolean;
  readonly cipher: CipherId | undefined;
  readonly signingAlgorithm: SigningAlgorithm;
  /** Seal all we send. Once on it stays on for the session. */
  sealing = false;
  readonly #signer: Signer;
  readonly #seal: Sealer | undefined;
  readonly #open: Sealer | undefined;
  readonly #nonces: NonceCounter | undefined;

  /** Takes the keys over and wipes them: from here on they live inside the crypto library. */
  constructor(parameters: SecurityParameters) {
    const { keys, cipher } = parameters;
    this.sessionId = parameters.sessionId;
    this.signing = parameters.signing;
    this.cipher = cipher;
    this.signingAlgorithm = parameters.signingAlgorithm;
    this.#signer = createSigner(parameters.signingAlgorithm, keys.signing);
    if (cipher !== undefined && keys.encrypt !== undefined && keys.decrypt !== undefined) {
      this.#seal = createSealer(cipher, keys.encrypt);
      this.#open = createSealer(cipher, keys.decrypt);
      this.#nonces = new NonceCounter(this.#seal.nonceLength);
    }
    wipe(keys.signing, keys.encrypt, keys.decrypt, keys.application);
  }

  get canSeal(): boolean {
    return this.#seal !== undefined;
  }

  /** Signs a message in place (MS-SMB2 3.1.4.1) and returns a copy of the signature. */
  sign(message: Uint8Array, messageId: bigint, cancel: boolean): Uint8Array {
    message[FLAGS_AT] = (message[FLAGS_AT] ?? 0) | HeaderFlags.SIGNED;
    message.fill(0, SIGNATURE_AT, HEADER_BYTES);
    const signature = this.#signer.compute(message, gmacNonce(messageId, { fromServer: false, cancel }));
    message.set(signature, SIGNATURE_AT);
    return signature;
  }

  /** Whether the signature of a message from the server is right (MS-SMB2 3.1.5.1). Leaves the bytes as they were. */
  verify(message: Uint8Array, messageId: bigint): boolean {
    const claimed = message.slice(SIGNATURE_AT, HEADER_BYTES);
    message.fill(0, SIGNATURE_AT, HEADER_BYTES);
    const actual = this.#signer.compute(message, gmacNonce(messageId, { fromServer: true, cancel: false }));
    message.set(claimed, SIGNATURE_AT);
    return equalTags(claimed, actual);
  }

  /** Wraps a message or compound into a transform (MS-SMB2 3.1.4.3). @throws NonceExhaustedError */
  seal(plaintext: Uint8Array): Uint8Array {
    if (this.#seal === undefined || this.#nonces === undefined) {
      throw new SmbProtocolError("no cipher was agreed on");
    }
    const nonce = this.#nonces.next();
    const transform = encodeTransform({
      nonce,
      originalMessageSize: plaintext.length,
      sessionId: this.sessionId,
    });
    const { ciphertext, tag } = this.#seal.seal(plaintext, nonce, transform.subarray(TRANSFORM_AAD_AT));
    const sealed = new Uint8Array(transform.length + ciphertext.length);
    sealed.set(transform);
    sealed.set(tag, TRANSFORM_TAG_AT);
    sealed.set(ciphertext, transform.length);
    return sealed;
  }

  /** Unwraps a transform (MS-SMB2 3.2.5.1.1). @throws SmbProtocolError, SealError */
  open(frame: Uint8Array): Uint8Array {
    const transform = decodeTransform(frame);
    if (this.#open === undefined || transform.sessionId !== this.sessionId) {
      throw new SmbProtocolError("an encrypted message for a session that does not encrypt");
    }
    const nonce = transform.nonce.subarray(0, this.#open.nonceLength);
    return plain(this.#open.open(transform.ciphertext, nonce, transform.aad, transform.signature));
  }
}
