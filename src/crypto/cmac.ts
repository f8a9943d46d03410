import { type Cipher, createCipheriv } from "node:crypto";
import { requireLength } from "./errors.ts";

const BLOCK = 16;
/** Up to here one copy into scratch memory is cheaper than three calls into OpenSSL. */
const SMALL = 2048;
/** Bounds the memory that OpenSSL's output takes while a large message is digested. */
const CHUNK = 64 * 1024;

/**
 * AES-128-CMAC (RFC 4493) under one key.
 *
 * Setting up a cipher costs four times what digesting a short message does, so one CBC cipher serves
 * all messages: CBC xors each block with the previous output, and xoring that output into the first
 * block of the next message cancels it, which is the same as starting again from a zero IV.
 */
export class AesCmac {
  readonly #cbc: Cipher;
  readonly #k1: Uint8Array;
  readonly #k2: Uint8Array;
  readonly #scratch = new Uint8Array(SMALL + BLOCK);
  readonly #chain = new Uint8Array(BLOCK);

  /** @throws CryptoMisuseError unless the key has 16 bytes. The caller may wipe it afterwards. */
  constructor(key: Uint8Array) {
    requireLength("AES-128-CMAC", key, BLOCK);
    this.#cbc = createCipheriv("aes-128-cbc", key, new Uint8Array(BLOCK)).setAutoPadding(false);
    const l = this.#encrypt(new Uint8Array(BLOCK));
    this.#k1 = double(l);
    this.#k2 = double(this.#k1);
  }

  /** The 16-byte tag of `message`, which is not changed. */
  compute(message: Uint8Array): Uint8Array {
    const { length } = message;
    const tail = length === 0 ? 0 : length - (length % BLOCK || BLOCK);
    if (length <= SMALL) {
      const blocks = this.#scratch.subarray(0, tail + BLOCK);
      blocks.set(message);
      this.#finish(blocks.subarray(tail), length - tail);
      xor(blocks, this.#chain);
      return this.#encrypt(blocks);
    }
    const edge = new Uint8Array(BLOCK);
    edge.set(message.subarray(0, BLOCK));
    xor(edge, this.#chain);
    this.#encrypt(edge);
    for (let at = BLOCK; at < tail; at += CHUNK) {
      this.#encrypt(message.subarray(at, Math.min(at + CHUNK, tail)));
    }
    edge.set(message.subarray(tail));
    this.#finish(edge, length - tail);
    return this.#encrypt(edge);
  }

  /** Pads and masks the last block (RFC 4493 section 2.4, steps 2 to 4). */
  #finish(block: Uint8Array, used: number): void {
    if (used < BLOCK) {
      block.fill(0, used);
      block[used] = 0x80;
    }
    xor(block, used === BLOCK ? this.#k1 : this.#k2);
  }

  #encrypt(blocks: Uint8Array): Uint8Array {
    const out = this.#cbc.update(blocks);
    this.#chain.set(out.subarray(out.length - BLOCK));
    return this.#chain.slice();
  }
}

/** AES-128-CMAC of one message. */
export function aesCmac(key: Uint8Array, message: Uint8Array): Uint8Array {
  return new AesCmac(key).compute(message);
}

/** Multiplies by x in GF(2^128) (RFC 4493 section 2.3). */
function double(block: Uint8Array): Uint8Array {
  const out = new Uint8Array(BLOCK);
  for (let i = 0; i < BLOCK; i++) out[i] = ((block[i] as number) << 1) | ((block[i + 1] ?? 0) >> 7);
  if ((block[0] as number) & 0x80) out[BLOCK - 1] = (out[BLOCK - 1] as number) ^ 0x87;
  return out;
}

function xor(into: Uint8Array, block: Uint8Array): void {
  for (let i = 0; i < BLOCK; i++) into[i] = (into[i] as number) ^ (block[i] as number);
}
