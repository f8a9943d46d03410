import { describe, expect, it } from "vitest";
import type { AuthError } from "../../../src/auth/errors.ts";
import { loadGssapi } from "../../../src/auth/gssapi.ts";
import type { Koffi, KoffiFunction, KoffiLibrary } from "../../../src/auth/koffi.ts";
import { describeError } from "../../../src/base/errors.ts";

type Call = (minor: [number], ...rest: unknown[]) => number;

/** A koffi over a library written here: functions by name, memory by number. */
class FakeKoffi {
  readonly calls: string[] = [];
  readonly memory = new Map<number, Uint8Array>();
  readonly functions: Record<string, Call> = {};
  live = 0;
  running = 0;
  mostRunning = 0;
  #next = 1;

  constructor() {
    const hand = (out: unknown): number => {
      (out as [unknown])[0] = this.#next++;
      this.live++;
      return 0;
    };
    const free = (handle: unknown): number => {
      if ((handle as [unknown])[0] === null) throw new Error("free of null");
      (handle as [unknown])[0] = null;
      this.live--;
      return 0;
    };
    Object.assign(this.functions, {
      gss_import_name: (_minor, _name, _type, out) => hand(out),
      gss_release_name: (_minor, name) => free(name),
      gss_acquire_cred_from: (...all) => hand(all[6]),
      gss_acquire_cred_with_password: (...all) => hand(all[6]),
      gss_release_cred: (_minor, cred) => free(cred),
      gss_init_sec_context: (...all) => {
        const [context, output, lifetime] = [all[2] as [unknown], all[10], all[12] as [number]];
        if (context[0] === null) hand(context);
        this.give(output, Uint8Array.of(1, 2, 3));
        lifetime[0] = 60;
        return all[8] === null ? 1 : 0;
      },
      gss_delete_sec_context: (_minor, context) => free(context),
      gss_release_buffer: (_minor, buffer) => {
        if ((buffer as { value?: unknown }).value !== undefined) this.live--;
        return 0;
      },
      gss_display_status: (_minor, status, _type, _oid, _more, text) => {
        this.give(text, Buffer.from(`status ${Number(status) | 0}`));
        return 0;
      },
    } satisfies Record<string, Call>);
  }

  give(buffer: unknown, bytes: Uint8Array): void {
    const at = this.#next++;
    this.memory.set(at, bytes);
    this.live++;
    Object.assign(buffer as object, { length: bytes.length, value: at });
  }

  readonly load = async (): Promise<Koffi> => {
    const type = (): string => "type";
    const koffi: Koffi = {
      config: () => undefined,
      struct: type,
      array: type,
      pointer: type,
      out: type,
      inout: type,
      decode: () => undefined,
      view: (pointer) => Uint8Array.from(this.memory.get(pointer as number)!).buffer,
      load: () => ({ func: (name) => this.#function(name) }),
    };
    return koffi;
  };

  #function(name: string): KoffiFunction {
    const call = (...all: readonly unknown[]): unknown => {
      this.calls.push(name);
      return this.functions[name]!(...(all as [[number], ...unknown[]]));
    };
    const async = (...all: readonly unknown[]): void => {
      const done = all.at(-1) as (error: unknown, result?: unknown) => void;
      this.running++;
      this.mostRunning = Math.max(this.mostRunning, this.running);
      setImmediate(() => {
        this.running--;
        done(null, call(...all.slice(0, -1)));
      });
    };
    return Object.assign(call, { async });
  }
}

const REQUEST = { host: "nas", realm: "R", principal: "u", password: "p" } as const;
const routine = (code: number): number => code << 16;
const minor = { UNREACHABLE: -1765328228, NO_REALM: -1765328230, TICKET_EXPIRED: -1765328352 };

async function failure(promise: Promise<unknown>): Promise<unknown> {
  try {
    await promise;
  } catch (error) {
    return error;
  }
  throw new Error("it did not fail");
}

describe("loadGssapi", () => {
  it("says which package to install where koffi is absent", async () => {
    const absent = async (): Promise<Koffi> => {
      throw new Error("Cannot find package");
    };
    expect(await failure(loadGssapi(absent))).toMatchObject({
      code: "AUTH_KERBEROS_UNAVAILABLE",
      message: expect.stringContaining("npm install koffi"),
    });
  });

  /** A loader's words, as koffi 3.3 passes them on. */
  const ABSENT = "Failed to load shared library: cannot open shared object file: No such file or directory";
  const among = (libraries: Readonly<Record<string, Partial<KoffiLibrary> | Error>>) => async () => ({
    ...(await new FakeKoffi().load()),
    load: (name: string): KoffiLibrary => {
      const found = libraries[name] ?? new Error(ABSENT);
      if (found instanceof Error) throw found;
      return found as KoffiLibrary;
    },
  });
  const heimdal: Partial<KoffiLibrary> = {
    func: (name) => {
      throw new Error(`Cannot find function '${name}' in shared library`);
    },
  };

  it.each([
    ["none", {}, /^Kerberos needs MIT's/, true],
    ["Heimdal's alone", { "libgssapi.so.3": heimdal }, /^only Heimdal's Kerberos library is here/, true],
    [
      "Heimdal's under MIT's name",
      { "libgssapi_krb5.so.2": heimdal, "libgssapi.so.3": heimdal },
      /is not MIT's, or too old/,
      false,
    ],
    [
      "one for another processor",
      { "libgssapi_krb5.so.2": new Error("wrong ELF class: ELFCLASS32") },
      /^Kerberos needs MIT's/,
      false,
    ],
  ])(
    "names the package where the library is %s, and no file that was not found",
    async (_, libraries, why, alone) => {
      const error = (await failure(loadGssapi(among(libraries)))) as AuthError;
      expect(error).toMatchObject({ code: "AUTH_KERBEROS_UNAVAILABLE" });
      expect(describeError(error)).toMatch(why);
      expect(describeError(error)).toContain("install libgssapi-krb5-2 (Debian, Ubuntu)");
      expect(describeError(error)).not.toContain("No such file");
      // What the loader says is told where it says more.
      expect(error.cause === undefined).toBe(alone);
    },
  );

  it("says which package to install where the library is absent", async () => {
    const fake = new FakeKoffi();
    const without = async (): Promise<Koffi> => ({
      ...(await fake.load()),
      load: () => {
        throw new Error("cannot open shared object file");
      },
    });
    expect(await failure(loadGssapi(without))).toMatchObject({
      code: "AUTH_KERBEROS_UNAVAILABLE",
      message: expect.stringContaining("libgssapi-krb5-2"),
    });
  });
});

describe("native memory", () => {
  it.each([
    ["with a password", REQUEST],
    ["with a keytab", { host: "nas", keytab: "/k", ccache: "MEMORY:x" }],
    ["by default", { host: "nas" }],
  ])("is all freed after a logon %s", async (_, request) => {
    const fake = new FakeKoffi();
    const initiator = await (await loadGssapi(fake.load)).initiate(request);
    expect(await initiator.step(new Uint8Array(0))).toEqual({
      token: Uint8Array.of(1, 2, 3),
      complete: false,
      lifetime: 60,
    });
    expect((await initiator.step(Uint8Array.of(9))).complete).toBe(true);
    expect(fake.live).toBeGreaterThan(0);
    initiator.close();
    initiator.close();
    expect(fake.live).toBe(0);
  });

  it("is freed only when a running call has ended", async () => {
    const fake = new FakeKoffi();
    const initiator = await (await loadGssapi(fake.load)).initiate(REQUEST);
    const step = initiator.step(new Uint8Array(0));
    initiator.close();
    expect(fake.calls).not.toContain("gss_release_cred");
    await step;
    expect(fake.live).toBe(0);
  });

  it.each(["gss_acquire_cred_with_password", "gss_init_sec_context"])(
    "is freed when %s fails",
    async (name) => {
      const fake = new FakeKoffi();
      fake.functions[name] = () => routine(13);
      const api = await loadGssapi(fake.load);
      const error = await failure(
        api.initiate(REQUEST).then(async (initiator) => {
          try {
            await initiator.step(new Uint8Array(0));
          } finally {
            initiator.close();
          }
        }),
      );
      expect(error).toMatchObject({ code: "AUTH_KERBEROS_FAILED" });
      expect(fake.live).toBe(0);
    },
  );
});

it("calls that may wait for a KDC run one at a time", async () => {
  const fake = new FakeKoffi();
  const api = await loadGssapi(fake.load);
  const initiators = await Promise.all(Array.from({ length: 8 }, () => api.initiate(REQUEST)));
  await Promise.all(initiators.map((initiator) => initiator.step(new Uint8Array(0))));
  for (const initiator of initiators) initiator.close();
  expect(fake.mostRunning).toBe(1);
  expect(fake.live).toBe(0);
});

describe("statuses", () => {
  it.each([
    ["no KDC answers", routine(13), minor.UNREACHABLE, REQUEST, "AUTH_KERBEROS_UNREACHABLE"],
    ["no KDC is found", routine(7), minor.NO_REALM, REQUEST, "AUTH_KERBEROS_UNREACHABLE"],
    ["a defective token", routine(9), 0, REQUEST, "AUTH_MALFORMED_TOKEN"],
    ["a bad MIC", routine(6), 0, REQUEST, "AUTH_BAD_MIC"],
    ["no credentials for a password", routine(7), 5, REQUEST, "AUTH_KERBEROS_FAILED"],
    ["no credentials in a cache", routine(7), 5, { host: "h", ccache: "c" }, "AUTH_KERBEROS_NO_TICKET"],
    ["expired credentials", routine(11), 5, { host: "h" }, "AUTH_KERBEROS_NO_TICKET"],
    ["an expired ticket", routine(13), minor.TICKET_EXPIRED, { host: "h" }, "AUTH_KERBEROS_NO_TICKET"],
    [
      "an expired ticket of a keytab",
      routine(13),
      minor.TICKET_EXPIRED,
      { host: "h", keytab: "k" },
      "AUTH_KERBEROS_NO_TICKET",
    ],
    [
      "expired credentials of a keytab",
      routine(11),
      5,
      { host: "h", keytab: "k" },
      "AUTH_KERBEROS_NO_TICKET",
    ],
    ["a calling error", 1 << 24, 0, REQUEST, "AUTH_KERBEROS_FAILED"],
  ] as const)("%s", async (_, major, minorStatus, request, code) => {
    const fake = new FakeKoffi();
    fake.functions["gss_init_sec_context"] = (out) => {
      out[0] = minorStatus;
      return major;
    };
    const initiator = await (await loadGssapi(fake.load)).initiate(request);
    const error = await failure(initiator.step(new Uint8Array(0)));
    initiator.close();
    expect(error).toMatchObject({ name: "AuthError", code });
    expect((error as Error).message).toContain(`status ${minorStatus === 0 ? major : minorStatus}`);
    expect(fake.live).toBe(0);
  });
});
