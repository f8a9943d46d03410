import { DecodeError } from "../errors.ts";
import { Reader } from "../reader.ts";
import { encodeUtf16, Writer } from "../writer.ts";

/** MS-SMB2 2.2.3.1 and 2.2.4.1: negotiate contexts of SMB 3.1.1, the same in requests and responses. */

export const ContextType = {
  PREAUTH_INTEGRITY: 1,
  ENCRYPTION: 2,
  COMPRESSION: 3,
  NETNAME: 5,
  SIGNING: 8,
} as const;

/** The only hash the specification knows. */
export const SHA_512 = 1;

export type NegotiateContext =
  /** 2.2.3.1.1: HashAlgorithmCount u16, SaltLength u16, HashAlgorithms u16[], Salt. */
  | {
      readonly type: typeof ContextType.PREAUTH_INTEGRITY;
      readonly hashAlgorithms: readonly number[];
      readonly salt: Uint8Array;
    }
  /** 2.2.3.1.2: CipherCount u16, Ciphers u16[]. */
  | { readonly type: typeof ContextType.ENCRYPTION; readonly ciphers: readonly number[] }
  /** 2.2.3.1.4: the server name as the client knows it, UTF-16LE. */
  | { readonly type: typeof ContextType.NETNAME; readonly name: string }
  /** 2.2.3.1.7: SigningAlgorithmCount u16, SigningAlgorithms u16[]. */
  | { readonly type: typeof ContextType.SIGNING; readonly algorithms: readonly number[] }
  /** Anything else; kept so that nothing is silently lost. */
  | { readonly type: "unknown"; readonly contextType: number; readonly data: Uint8Array };

const MOST_CONTEXTS = 64;

/** Writes the list, each context 8-aligned. `base` is the length of what stands before it in the message. */
export function encodeContexts(writer: Writer, contexts: readonly NegotiateContext[], base: number): void {
  for (const context of contexts) {
    writer.align(8, base);
    const data = encodeData(context);
    writer
      .u16(context.type === "unknown" ? context.contextType : context.type)
      .u16(data.length)
      .u32(0)
      .bytes(data);
  }
}

function encodeData(context: NegotiateContext): Uint8Array {
  const writer = new Writer(64);
  switch (context.type) {
    case ContextType.PREAUTH_INTEGRITY:
      writer.u16(context.hashAlgorithms.length).u16(context.salt.length);
      for (const id of context.hashAlgorithms) writer.u16(id);
      return writer.bytes(context.salt).finish();
    case ContextType.ENCRYPTION:
      return encodeIds(writer, context.ciphers);
    case ContextType.SIGNING:
      return encodeIds(writer, context.algorithms);
    case ContextType.NETNAME:
      return encodeUtf16(context.name);
    case "unknown":
      return context.data;
  }
}

function encodeIds(writer: Writer, ids: readonly number[]): Uint8Array {
  writer.u16(ids.length);
  for (const id of ids) writer.u16(id);
  return writer.finish();
}

/**
 * Reads `count` contexts from `offset` on, which must be 8-aligned and not before `floor`, where the rest of
 * the message ends. Their order is free.
 * @throws DecodeError
 */
export function decodeContexts(
  message: Uint8Array,
  offset: number,
  count: number,
  floor: number,
): NegotiateContext[] {
  if (count > MOST_CONTEXTS) {
    throw new DecodeError("NegotiateContextCount", 0, `${count}, more than ${MOST_CONTEXTS}`);
  }
  const reader = new Reader(message);
  const contexts: NegotiateContext[] = [];
  if (count > 0 && (offset < floor || offset % 8 !== 0)) {
    throw new DecodeError("NegotiateContextOffset", 0, `${offset}, not a multiple of 8 from ${floor} on`);
  }
  let at = offset;
  for (let i = 0; i < count; i++) {
    reader.seek(at, "NegotiateContext");
    const type = reader.u16("ContextType");
    const length = reader.u16("DataLength");
    reader.skip(4, "Reserved");
    contexts.push(decodeData(type, reader.bytes(length, "Data")));
    at = Math.ceil(reader.position / 8) * 8;
  }
  return contexts;
}

function decodeData(type: number, data: Uint8Array): NegotiateContext {
  const reader = new Reader(data);
  switch (type) {
    case ContextType.PREAUTH_INTEGRITY: {
      const count = reader.u16("HashAlgorithmCount");
      const saltLength = reader.u16("SaltLength");
      const hashAlgorithms = decodeIds(reader, count, "HashAlgorithms");
      return { type, hashAlgorithms, salt: reader.copy(saltLength, "Salt") };
    }
    case ContextType.ENCRYPTION:
      return { type, ciphers: decodeIds(reader, reader.u16("CipherCount"), "Ciphers") };
    case ContextType.SIGNING:
      return {
        type,
        algorithms: decodeIds(reader, reader.u16("SigningAlgorithmCount"), "SigningAlgorithms"),
      };
    case ContextType.NETNAME:
      return { type, name: reader.utf16(data.length, "NetName") };
    default:
      return { type: "unknown", contextType: type, data: data.slice() };
  }
}

function decodeIds(reader: Reader, count: number, field: string): number[] {
  const ids: number[] = [];
  for (let i = 0; i < count; i++) ids.push(reader.u16(field));
  return ids;
}
