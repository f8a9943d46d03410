import { wipe } from "../crypto/wipe.ts";
import { AuthError } from "./errors.ts";
import {
  bindGssapi,
  type GssBuffer,
  type GssNative,
  hasHeimdal,
  input,
  type Out,
  oid,
  openGssapi,
} from "./gssapi-native.ts";
import { check, type GssAttempt, KRB5_MECHANISM } from "./gssapi-status.ts";
import { importKoffi, type Koffi, type KoffiFunction, type KoffiLibrary } from "./koffi.ts";

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
const KRB5_PRINCIPAL_NAME = oid("2a864886f71201020201");
const USER_NAME = oid("2a864886f71201020101");
const HOSTBASED_SERVICE = oid("2a864886f71201020104");
const INQUIRE_SESSION_KEY = oid("2a864886f7120102020505");

const INITIATE = 1;
const CONTINUE_NEEDED = 1;
const INDEFINITE = 0xffff_ffff;
/** MUTUAL, REPLAY, SEQUENCE, INTEG: MS-SMB2 3.2.4.2.3 wants mutual authentication. */
const REQUEST_FLAGS = 0x2 | 0x4 | 0x8 | 0x20;

const INSTALL = "install libgssapi-krb5-2 (Debian, Ubuntu) or krb5-libs (Fedora, RHEL, Alpine)";

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
  let library: KoffiLibrary;
  try {
    library = openGssapi(koffi);
  } catch (cause) {
    // Of a file that is not there the loader's words say less than ours.
    const absent = cause instanceof Error && cause.message.includes("No such file");
    const text = hasHeimdal(koffi)
      ? `only Heimdal's Kerberos library is here (libgssapi.so.3), which lacks what SMB needs of it: ${INSTALL}; both may be installed`
      : `Kerberos needs MIT's libgssapi_krb5.so.2: ${INSTALL}`;
    throw new AuthError("AUTH_KERBEROS_UNAVAILABLE", text, absent ? {} : { cause });
  }
  try {
    return new NativeGssApi(bindGssapi(koffi, library));
  } catch (cause) {
    const text = `the libgssapi_krb5.so.2 of this machine is not MIT's, or too old: ${INSTALL}`;
    throw new AuthError("AUTH_KERBEROS_UNAVAILABLE", text, { cause });
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
    const about = attemptOf(request);
    const target =
      realm === undefined
        ? this.#name(`cifs@${host}`, HOSTBASED_SERVICE, about)
        : this.#name(`cifs/${host}@${realm}`, KRB5_PRINCIPAL_NAME, about);
    try {
      return new NativeInitiator(this.#native, target, await this.#credentials(request, about), about);
    } catch (error) {
      this.#native.functions.gss_release_name([0], [target]);
      throw error;
    }
  }

  #name(text: string, type: ReturnType<typeof oid>, about: About): unknown {
    const minor: Out<number> = [0];
    const name: Out<unknown> = [null];
    const { gss_import_name } = this.#native.functions;
    const major = gss_import_name(minor, input(Buffer.from(text)), type, name);
    check(this.#native, major, minor, { ...about, step: "other", what: `name ${text}` });
    return name[0];
  }

  /** `null` stands for whatever the library takes by default. */
  async #credentials(request: GssRequest, about: About): Promise<unknown> {
    const { principal, keytab, ccache, password } = request;
    if ([principal, keytab, ccache, password].every((value) => value === undefined)) return null;
    const { functions } = this.#native;
    const minor: Out<number> = [0];
    const credentials: Out<unknown> = [null];
    const name = principal === undefined ? null : this.#name(principal, USER_NAME, about);
    try {
      if (password !== undefined) {
        const secret = Buffer.from(password);
        const parameters = [minor, name, input(secret), 0, null, INITIATE, credentials, null, null];
        const call = slowCall(functions.gss_acquire_cred_with_password, ...parameters);
        const major = await call.finally(() => wipe(secret));
        check(this.#native, major, minor, {
          ...about,
          step: "credentials",
          what: `the password of ${principal}`,
        });
      } else {
        const elements: { readonly key: string; readonly value: string }[] = [];
        if (keytab !== undefined) elements.push({ key: "client_keytab", value: keytab });
        if (ccache !== undefined) elements.push({ key: "ccache", value: ccache });
        const store = elements.length === 0 ? null : { count: elements.length, elements };
        const parameters = [minor, name, 0, null, INITIATE, store, credentials, null, null];
        const major = await slowCall(functions.gss_acquire_cred_from, ...parameters);
        const what = keytab === undefined ? `cache ${ccache ?? "by default"}` : `keytab ${keytab}`;
        check(this.#native, major, minor, { ...about, step: "credentials", what });
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
  readonly #about: About;
  #stepping = false;
  #closed = false;

  constructor(native: GssNative, target: unknown, credentials: unknown, about: About) {
    this.#native = native;
    this.#about = about;
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
      const { service } = this.#about;
      const what = received === null ? `a ticket for ${service}` : `the answer of ${service}`;
      check(this.#native, major, minor, { ...this.#about, step: "ticket", what });
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
    check(this.#native, major, minor, { ...this.#about, step: "other", what: "the session key" });
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
    const major = gss_get_mic(minor, this.#context[0], 0, input(message), mic);
    check(this.#native, major, minor, { ...this.#about, step: "other", what: "a MIC" });
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

type About = Pick<GssAttempt, "source" | "principal" | "service">;

function attemptOf({ host, principal, keytab, password }: GssRequest): About {
  return {
    source: password !== undefined ? "password" : keytab !== undefined ? "keytab" : "cache",
    principal: principal ?? "the account",
    service: `cifs/${host}`,
  };
}
