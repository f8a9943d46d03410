import type { Koffi, KoffiFunction, KoffiLibrary, KoffiType } from "./koffi.ts";

const MIT = "libgssapi_krb5.so.2";
/** Lacks gss_acquire_cred_from and GSS_C_INQ_SSPI_SESSION_KEY (7.8, Debian 12). */
const HEIMDAL = "libgssapi.so.3";

/** Calls run on a stack of koffi's making; name resolution inside needs more than its 128 KiB. */
const STACK_BYTES = 2 << 20;

/** `gss_buffer_desc`, filled in by the callee or by us. */
export interface GssBuffer {
  length?: number | bigint;
  value?: unknown;
}

/** An out parameter: koffi writes its only element. */
export type Out<T> = [T];

const UINT = "uint32_t";
const HANDLE = "void *";

/**
 * The functions of gssapi.h and gssapi_ext.h that we call, under their own names and in their own
 * parameter order.
 */
export interface GssFunctions {
  readonly gss_import_name: KoffiFunction;
  readonly gss_release_name: KoffiFunction;
  readonly gss_acquire_cred_from: KoffiFunction;
  readonly gss_acquire_cred_with_password: KoffiFunction;
  readonly gss_release_cred: KoffiFunction;
  readonly gss_init_sec_context: KoffiFunction;
  readonly gss_delete_sec_context: KoffiFunction;
  readonly gss_inquire_sec_context_by_oid: KoffiFunction;
  readonly gss_get_mic: KoffiFunction;
  readonly gss_verify_mic: KoffiFunction;
  readonly gss_release_buffer: KoffiFunction;
  readonly gss_release_buffer_set: KoffiFunction;
  readonly gss_display_status: KoffiFunction;
}

export interface GssNative {
  readonly functions: GssFunctions;
  /** A copy of what a buffer holds. */
  read(buffer: GssBuffer): Uint8Array;
  /** Copies of the members of a `gss_buffer_set_t`. */
  readSet(set: unknown): Uint8Array[];
}

/** The system's library. @throws koffi's error where it is missing */
export function openGssapi(koffi: Koffi): KoffiLibrary {
  koffi.config({ async_stack_size: STACK_BYTES });
  return koffi.load(MIT);
}

/** Whether the other Kerberos is on this machine. */
export function hasHeimdal(koffi: Koffi): boolean {
  try {
    koffi.load(HEIMDAL);
    return true;
  } catch {
    return false;
  }
}

/** @throws koffi's error where a function is missing */
export function bindGssapi(koffi: Koffi, library: KoffiLibrary): GssNative {
  const bufferType = koffi.struct({ length: "size_t", value: HANDLE });
  const buffer = koffi.pointer(bufferType);
  const oid = koffi.pointer(koffi.struct({ length: UINT, elements: HANDLE }));
  const pair = koffi.struct({ key: "str", value: "str" });
  const store = koffi.pointer(koffi.struct({ count: UINT, elements: koffi.pointer(pair) }));
  const setType = koffi.struct({ count: "size_t", elements: HANDLE });
  const outUint = koffi.out(koffi.pointer(UINT));
  const outHandle = koffi.out(koffi.pointer(HANDLE));
  const ownHandle = koffi.inout(koffi.pointer(HANDLE));
  const outBuffer = koffi.out(buffer);
  const ownBuffer = koffi.inout(buffer);

  /** Every function answers with a major status and writes its minor status first. */
  const func = (name: string, ...parameters: readonly KoffiType[]): KoffiFunction =>
    library.func(name, UINT, [outUint, ...parameters]);

  const read = ({ length, value }: GssBuffer): Uint8Array => {
    const size = Number(length ?? 0);
    return size === 0 ? new Uint8Array(0) : Uint8Array.from(new Uint8Array(koffi.view(value, size)));
  };

  return {
    functions: {
      gss_import_name: func("gss_import_name", buffer, oid, outHandle),
      gss_release_name: func("gss_release_name", ownHandle),
      gss_acquire_cred_from: func(
        "gss_acquire_cred_from",
        ...[HANDLE, UINT, HANDLE, "int", store, outHandle, HANDLE, HANDLE],
      ),
      gss_acquire_cred_with_password: func(
        "gss_acquire_cred_with_password",
        ...[HANDLE, buffer, UINT, HANDLE, "int", outHandle, HANDLE, HANDLE],
      ),
      gss_release_cred: func("gss_release_cred", ownHandle),
      gss_init_sec_context: func(
        "gss_init_sec_context",
        ...[HANDLE, ownHandle, HANDLE, oid, UINT, UINT, HANDLE, buffer, HANDLE, outBuffer, outUint, outUint],
      ),
      gss_delete_sec_context: func("gss_delete_sec_context", ownHandle, HANDLE),
      gss_inquire_sec_context_by_oid: func("gss_inquire_sec_context_by_oid", HANDLE, oid, outHandle),
      gss_get_mic: func("gss_get_mic", HANDLE, UINT, buffer, outBuffer),
      gss_verify_mic: func("gss_verify_mic", HANDLE, buffer, buffer, outUint),
      gss_release_buffer: func("gss_release_buffer", ownBuffer),
      gss_release_buffer_set: func("gss_release_buffer_set", ownHandle),
      gss_display_status: func("gss_display_status", UINT, "int", oid, ownUint(koffi), outBuffer),
    },
    read,
    readSet: (set) => {
      const { count, elements } = koffi.decode(set, setType) as { count: number | bigint; elements: unknown };
      const members = koffi.decode(elements, koffi.array(bufferType, Number(count))) as GssBuffer[];
      return members.map(read);
    },
  };
}

function ownUint(koffi: Koffi): KoffiType {
  return koffi.inout(koffi.pointer(UINT));
}

/** Something with a length and memory that koffi passes as a struct: here a `gss_buffer_desc`. */
export function input(bytes: Uint8Array): { readonly length: number; readonly value: Uint8Array } {
  return { length: bytes.length, value: bytes };
}

/** A `gss_OID_desc`. `content` is DER without tag and length, in hexadecimal. */
export function oid(content: string): { readonly length: number; readonly elements: Uint8Array } {
  const elements = Buffer.from(content, "hex");
  return { length: elements.length, elements };
}
