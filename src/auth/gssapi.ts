import { wipe } from "../crypto/wipe.ts";
import { AuthError } from "./errors.ts";
import { bindGssapi, type GssBuffer, type GssNative, type Out } from "./gssapi-native.ts";
import { importKoffi, type Koffi, type KoffiFunction } from "./koffi.ts";

/** Whose ticket to take, and for which service. */
export interface GssRequest {
  readonly host: string;
  /** Realm of the service. Default: by the library's configuration. */
  readonly realm?: string | undefined;
  readonly principal?: string | undefined;
  /** File of long-term keys; tickets are then kept in `ccache`. */
  readonly keytab?: string | undefined;
  /** Credential cache, e.g. `FILE:/run/krb5cc` or `MEMORY:name`. */
  readonly ccache?: string | undefined;
  readonly password?: string | undefined;
}

/** The initiator's side of one Kerberos context (RFC 2743, RFC 4121). Owns native memory until `close`. */
export interface GssInitiator {
  /** Takes the acceptor's token, at first an empty one, and gives ours. One call at a time. */
  step(token: Uint8Array): Promise<GssStep>;
  /** The acceptor's subkey, or the initiator's where there is none. */
  sessionKey(): Uint8Array;
  getMic(message: Uint8Array): Uint8Array;
  verifyMic(message: Uint8Array, mic: Uint8Array): boolean;
  /** Idempotent. */
  close(): void;
}

export interface GssStep {
  /** Empty where nothing is to be sent. */
  readonly token: Uint8Array;
  readonly complete: boolean;
  /** Seconds until the context ends; `undefined` where it does not. */
  readonly lifetime: number | undefined;
}

export interface GssApi {
  /** Acquires credentials. Waits for the KDC as long as the library's configuration says. */
  initiate(request: GssRequest): Promise<GssInitiator>;
}

/** Object identifiers, DER content (RFC 1964, RFC 2743; MIT's GSS_C_INQ_SSPI_SESSION_KEY). */
const KRB5_MECHANISM = oid("2a864886f712010202");
const KRB5_PRINCIPAL_NAME = oid("2a864886f71201020201");
const USER_NAME = oid("2a864886f71201020101");
const HOSTBASED_SERVICE = oid("2a864886f71201020104");
const INQUIRE_SESSION_KEY = oid("2a864886f7120102020505");

const INITIATE = 1;
const CONTINUE_NEEDED = 1;
const INDEFINITE = 0xffff_ffff;
/** MUTUAL, REPLAY, SEQUENCE, INTEG: MS-SMB2 3.2.4.2.3 wants mutual authentication. */
const REQUEST_FLAGS = 0x2 | 0x4 | 0x8 | 0x20;
/** Routine errors (RFC 2744 3.9.1). */
const BAD_MIC = 6;
const NO_CRED = 7;
const DEFECTIVE_TOKEN = 9;
const DEFECTIVE_CREDENTIAL = 10;
const CREDENTIALS_EXPIRED = 11;
/** Minor status KRB5KRB_AP_ERR_TKT_EXPIRED, as u32. */
const TICKET_EXPIRED = -1765328352 >>> 0;
/**
 * Minor status KRB5_KDC_UNREACH, KRB5_REALM_UNKNOWN and KRB5_REALM_CANT_RESOLVE, as u32: the middle one is also
 * what a DNS outage looks like.
 */
const UNREACHABLE: readonly number[] = [-1765328228 >>> 0, -1765328230 >>> 0, -1765328164 >>> 0];

/**
 * The system's GSSAPI (MIT Kerberos) through koffi.
 * @throws AuthError `AUTH_KERBEROS_UNAVAILABLE`, naming what to install
 */
export async function loadGssapi(load: () => Promise<Koffi> = importKoffi): Promise<GssApi> {
  let koffi: Koffi;
  try {
    koffi = await load();
  } catch (cause) {
    throw new AuthError(
      "AUTH_KERBEROS_UNAVAILABLE",
      "Kerberos needs the npm package koffi: npm install koffi",
      {
        cause,
      },
    );
  }
  try {
    return new NativeGssApi(bindGssapi(koffi));
  } catch (cause) {
    throw new AuthError(
      "AUTH_KERBEROS_UNAVAILABLE",
      "Kerberos needs MIT's libgssapi_krb5.so.2: install libgssapi-krb5-2 (Debian) or krb5-libs (Fedora, Alpine)",
      { cause },
    );
  }
}

let system: Promise<GssApi> | undefined;

/** The library of this process, bound once: koffi keeps what it binds. @throws AuthError as `loadGssapi` */
export async function systemGssapi(): Promise<GssApi> {
  system ??= loadGssapi();
  try {
    return await system;
  } catch (error) {
    system = undefined;
    throw error;
  }
}

/**
 * Calls that may ask a KDC run one at a time, whatever the number of connections: each holds a thread
 * of libuv's pool, and a KDC that does not answer must not take them all from the rest of the process.
 */
let gate: Promise<unknown> = Promise.resolve();

function slowCall(call: KoffiFunction, ...parameters: readonly unknown[]): Promise<number> {
  const result = gate.then(
    () =>
      new Promise<number>((resolve, reject) => {
        call.async(...parameters, (error: unknown, major: number) => {
          if (error === null || error === undefined) resolve(major);
          else reject(error);
        });
      }),
  );
  gate = result.catch(() => undefined);
  return result;
}

class NativeGssApi implements GssApi {
  readonly #native: GssNative;

  constructor(native: GssNative) {
    this.#native = native;
  }

  async initiate(request: GssRequest): Promise<GssInitiator> {
    const { host, realm } = request;
    const target =
      realm === undefined
        ? this.#name(`cifs@${host}`, HOSTBASED_SERVICE)
        : this.#name(`cifs/${host}@${realm}`, KRB5_PRINCIPAL_NAME);
    try {
      return new NativeInitiator(
        this.#native,
        target,
        await this.#credentials(request),
        isCacheOnly(request),
      );
    } catch (error) {
      this.#native.functions.gss_release_name([0], [target]);
      throw error;
    }
  }

  #name(text: string, type: GssBufferlike): unknown {
    const minor: Out<number> = [0];
    const name: Out<unknown> = [null];
    const { gss_import_name } = this.#native.functions;
    check(this.#native, gss_import_name(minor, input(Buffer.from(text)), type, name), minor, `name ${text}`);
    return name[0];
  }

  /** `null` stands for whatever the library takes by default. */
  async #credentials(request: GssRequest): Promise<unknown> {
    const { principal, keytab, ccache, password } = request;
    if ([principal, keytab, ccache, password].every((value) => value === undefined)) return null;
    const { functions } = this.#native;
    const minor: Out<number> = [0];
    const credentials: Out<unknown> = [null];
    const name = principal === undefined ? null : this.#name(principal, USER_NAME);
    try {
      if (password !== undefined) {
        const secret = Buffer.from(password);
        const parameters = [minor, name, input(secret), 0, null, INITIATE, credentials, null, null];
        const call = slowCall(functions.gss_acquire_cred_with_password, ...parameters);
        const major = await call.finally(() => wipe(secret));
        check(this.#native, major, minor, `the password of ${principal}`);
      } else {
        const elements: { readonly key: string; readonly value: string }[] = [];
        if (keytab !== undefined) elements.push({ key: "client_keytab", value: keytab });
        if (ccache !== undefined) elements.push({ key: "ccache", value: ccache });
        const store = elements.length === 0 ? null : { count: elements.length, elements };
        const parameters = [minor, name, 0, null, INITIATE, store, credentials, null, null];
        const major = await slowCall(functions.gss_acquire_cred_from, ...parameters);
        const what = keytab === undefined ? `cache ${ccache ?? "by default"}` : `keytab ${keytab}`;
        check(this.#native, major, minor, what, isCacheOnly(request));
      }
    } finally {
      if (name !== null) functions.gss_release_name([0], [name]);
    }
    return credentials[0];
  }
}

class NativeInitiator implements GssInitiator {
  readonly #native: GssNative;
  readonly #target: Out<unknown>;
  readonly #credentials: Out<unknown>;
  readonly #context: Out<unknown> = [null];
  readonly #cacheOnly: boolean;
  #stepping = false;
  #closed = false;

  constructor(native: GssNative, target: unknown, credentials: unknown, cacheOnly: boolean) {
    this.#native = native;
    this.#cacheOnly = cacheOnly;
    this.#target = [target];
    this.#credentials = [credentials];
  }

  async step(token: Uint8Array): Promise<GssStep> {
    const { functions } = this.#native;
    const minor: Out<number> = [0];
    const output: GssBuffer = {};
    const lifetime: Out<number> = [0];
    const received = token.length === 0 ? null : input(token);
    this.#stepping = true;
    try {
      const major = await slowCall(
        functions.gss_init_sec_context,
        ...[minor, this.#credentials[0], this.#context, this.#target[0], KRB5_MECHANISM, REQUEST_FLAGS, 0],
        ...[null, received, null, output, [0], lifetime],
      );
      const answer = this.#take(output);
      check(this.#native, major, minor, "a ticket for the server", this.#cacheOnly);
      return {
        token: answer,
        complete: (major & CONTINUE_NEEDED) === 0,
        lifetime: lifetime[0] === INDEFINITE ? undefined : lifetime[0],
      };
    } finally {
      this.#stepping = false;
      if (this.#closed) this.#free();
    }
  }

  sessionKey(): Uint8Array {
    const minor: Out<number> = [0];
    const set: Out<unknown> = [null];
    const { gss_inquire_sec_context_by_oid, gss_release_buffer_set } = this.#native.functions;
    const major = gss_inquire_sec_context_by_oid(minor, this.#context[0], INQUIRE_SESSION_KEY, set);
    check(this.#native, major, minor, "the session key");
    const [key] = this.#native.readSet(set[0]);
    gss_release_buffer_set([0], set);
    if (key === undefined)
      throw new AuthError("AUTH_KERBEROS_FAILED", "Kerberos: the context has no session key");
    return key;
  }

  getMic(message: Uint8Array): Uint8Array {
    const minor: Out<number> = [0];
    const mic: GssBuffer = {};
    const { gss_get_mic } = this.#native.functions;
    check(this.#native, gss_get_mic(minor, this.#context[0], 0, input(message), mic), minor, "a MIC");
    return this.#take(mic);
  }

  verifyMic(message: Uint8Array, mic: Uint8Array): boolean {
    const { gss_verify_mic } = this.#native.functions;
    return gss_verify_mic([0], this.#context[0], input(message), input(mic), [0]) === 0;
  }

  close(): void {
    if (this.#closed) return;
    this.#closed = true;
    // A running call still uses these handles; it frees them when it returns.
    if (!this.#stepping) this.#free();
  }

  #free(): void {
    const { gss_delete_sec_context, gss_release_cred, gss_release_name } = this.#native.functions;
    if (this.#context[0] !== null) gss_delete_sec_context([0], this.#context, null);
    if (this.#credentials[0] !== null) gss_release_cred([0], this.#credentials);
    gss_release_name([0], this.#target);
  }

  #take(output: GssBuffer): Uint8Array {
    const bytes = this.#native.read(output);
    this.#native.functions.gss_release_buffer([0], output);
    return bytes;
  }
}

/** @throws AuthError for a major status with an error in it; the text is the library's. */
function check(
  native: GssNative,
  status: unknown,
  minor: Out<number>,
  what: string,
  cacheOnly = false,
): void {
  const major = Number(status) >>> 0;
  // Bits 24 to 31 are calling errors, 16 to 23 routine errors, the rest no errors (RFC 2744 3.9.1).
  if (major >>> 16 === 0) return;
  const routine = (major >>> 16) & 0xff;
  const text = `Kerberos: ${what}: ${describe(native, major, minor[0])}`;
  if (UNREACHABLE.includes(minor[0] >>> 0)) throw new AuthError("AUTH_KERBEROS_UNREACHABLE", text);
  if (routine === DEFECTIVE_TOKEN) throw new AuthError("AUTH_MALFORMED_TOKEN", text);
  if (routine === BAD_MIC) throw new AuthError("AUTH_BAD_MIC", text);
  const noTicket =
    [NO_CRED, DEFECTIVE_CREDENTIAL, CREDENTIALS_EXPIRED].includes(routine) ||
    minor[0] >>> 0 === TICKET_EXPIRED;
  throw new AuthError(cacheOnly && noTicket ? "AUTH_KERBEROS_NO_TICKET" : "AUTH_KERBEROS_FAILED", text);
}

/** No secret of ours is tried, so a failure may be repeated without locking anyone out. */
function isCacheOnly(request: GssRequest): boolean {
  return request.keytab === undefined && request.password === undefined;
}

/** The text of the minor status, which says what the major one only classifies. */
function describe(native: GssNative, major: number, minor: number): string {
  const { gss_display_status, gss_release_buffer } = native.functions;
  const [type, status] = minor === 0 ? [1, major] : [2, minor];
  const text: GssBuffer = {};
  gss_display_status([0], status, type, KRB5_MECHANISM, [0], text);
  const said = Buffer.from(native.read(text)).toString();
  gss_release_buffer([0], text);
  return said;
}

/** Something with a length and memory that koffi passes as a struct. */
interface GssBufferlike {
  readonly length: number;
}

function input(bytes: Uint8Array): GssBufferlike & { readonly value: Uint8Array } {
  return { length: bytes.length, value: bytes };
}

function oid(content: string): GssBufferlike & { readonly elements: Uint8Array } {
  const elements = Buffer.from(content, "hex");
  return { length: elements.length, elements };
}
