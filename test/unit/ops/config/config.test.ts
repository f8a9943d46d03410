import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { type LoadedConfig, type LoadOptions, loadConfig } from "../../../../src/ops/config/config.ts";
import { configLines } from "../../../../src/ops/config/report.ts";
import { ConfigError, describeProblem } from "../../../../src/ops/config-error.ts";
import { ReadyOptionsError, resolveReady } from "../../../../src/watch/ready-options.ts";

const FIXTURES = join(import.meta.dirname, "../../../fixtures/config");

let folder: string;
let count = 0;

beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), "smb2nats-config-"));
});
afterAll(() => {
  rmSync(folder, { recursive: true, force: true });
});

function load(text: string, env: LoadOptions["env"] = {}): LoadedConfig {
  const file = join(folder, `${count++}.yaml`);
  writeFileSync(file, text);
  return loadConfig({ file, env });
}

/** The problems as an operator reads them, without the file's name. */
function problems(text: string, env: LoadOptions["env"] = {}): string[] {
  try {
    load(text, env);
  } catch (error) {
    if (error instanceof ConfigError) {
      return error.problems.map((problem) =>
        describeProblem(problem).replace(` (${folder}/${count - 1}.yaml)`, ""),
      );
    }
    throw error;
  }
  return [];
}

const NAS = "connections: { nas1: { server: nas, share: media, username: u, passwordFile: /p } }\n";
const nas = (more: string): string =>
  `connections: { nas1: { server: nas, share: media, username: u, passwordFile: /p, ${more} } }`;

describe("when files are told as ready", () => {
  const ready = (text: string): unknown => load(nas(`ready: ${text}`)).config.connections["nas1"]?.ready;

  it("is off, or a map, in the file and in the environment", () => {
    expect(load(NAS).config.connections["nas1"]?.ready).toBe("off");
    expect(ready("off")).toBe("off");
    // What Helm makes of it.
    expect(ready("false")).toBe("off");
    const full = '{ quietMs: 5000, ignore: ["*.log"], only: true, maxWaitMs: null }';
    expect(ready(full)).toEqual({ quietMs: 5_000, ignore: ["*.log"], only: true });
    const env = { SMB2NATS_CONNECTIONS_NAS1_READY: '{"quietMs":700}' };
    expect(load(NAS, env).config.connections["nas1"]?.ready).toEqual({ quietMs: 700 });
    const pin = `${NAS}watches: [ { connection: nas1, path: /in, ready: { closed: false } } ]`;
    expect(load(pin).config.watches[0]?.ready).toEqual({ closed: false });
  });

  it.each([
    ["5000", "is neither `off` nor a map"],
    ["on", "is neither `off` nor a map"],
    ["[1]", "is neither `off` nor a map"],
    ["{ quietMs: 5 }", "has `quietMs`, which is not an integer, 100 to 3600000"],
    ["{ maxWaitMs: 1 }", "has `maxWaitMs`, which is not an integer, 1000 to 604800000"],
    ["{ emptyAfterMs: -1 }", "has `emptyAfterMs`, which is not an integer, 0 to 86400000"],
    ["{ closed: maybe }", "has `closed`, which is neither true nor false"],
    ['{ ignore: [""] }', 'has `ignore`, which has "", which is empty'],
    ["{ quiet: 5 }", 'has "quiet", which is not a known key'],
  ])("refuses %s", (text, reason) => {
    expect(problems(nas(`ready: ${text}`)).join()).toContain(reason);
    // The engine has the same bounds.
    const [given] = /^\{.*\}$/.exec(text) ?? [];
    if (given !== undefined && !text.includes("maybe"))
      expect(() => resolveReady(JSON.parse(given.replaceAll(/(\w+):/g, '"$1":')))).toThrow(ReadyOptionsError);
  });

  it("has the bounds of the engine", () => {
    for (const most of [
      { quietMs: 3_600_000 },
      { quietMs: 100 },
      { maxWaitMs: 604_800_000 },
      { emptyAfterMs: 0 },
    ]) {
      expect(ready(JSON.stringify(most))).toEqual(most);
      expect(resolveReady(most)).toMatchObject(most);
    }
  });
});

describe("configuration", () => {
  it("is complete without a file", () => {
    const { config, origins } = loadConfig({ env: {} });
    expect(config.http).toEqual({ host: "127.0.0.1", port: 9464 });
    expect(config.worker.leaseTtlMs).toBe(15_000);
    expect(config.connections).toEqual({});
    expect(config.nats.servers).toEqual([]);
    expect(origins.get("http.port")).toEqual({ source: "default" });
  });

  it("reads the contract's example", () => {
    const { config } = load(`
connections:
  nas1: { server: nas.example.org, share: media, root: "/", username: watcher, domain: CORP, passwordFile: /run/secrets/nas1,
          signing: required, encryption: auto, minDialect: "2.1", auth: ntlm, cover: auto, caseSensitive: false,
          notify: [names, attributes, size, last-write, creation], stat: false, settleMs: 0, rescanMinutes: 0, pollSeconds: 30 }
watches: [ { connection: nas1, path: /incoming, recursive: true } ]
`);
    expect(config.connections["nas1"]).toMatchObject({
      server: "nas.example.org",
      port: 445,
      domain: "CORP",
    });
    expect(config.watches).toEqual([{ connection: "nas1", path: "/incoming", recursive: true }]);
  });

  it("reads JSON", () => {
    expect(load('{"http": {\n\t"port": 1}}').config.http.port).toBe(1);
  });

  it("takes the environment over the file and remembers where values came from", () => {
    const { config, origins } = load(`${NAS}http: { port: 1, host: 0.0.0.0 }`, {
      SMB2NATS_HTTP_PORT: "2",
      SMB2NATS_NATS_SERVERS: "nats://a:4222, nats://b",
      SMB2NATS_CONNECTIONS_NAS1_STAT: "true",
    });
    expect(config.http).toEqual({ host: "0.0.0.0", port: 2 });
    expect(config.nats.servers).toEqual(["nats://a:4222", "nats://b"]);
    expect(config.connections["nas1"]?.stat).toBe(true);
    expect(origins.get("http.port")).toEqual({ source: "env", detail: "SMB2NATS_HTTP_PORT" });
    expect(origins.get("http.host")?.source).toBe("file");
    expect(origins.get("connections.nas1.stat")?.source).toBe("env");
  });

  it("knows connections that only the environment names", () => {
    const { config } = loadConfig({
      env: {
        SMB2NATS_CONNECTIONS_NAS_2_SERVER: "nas2:1445",
        SMB2NATS_CONNECTIONS_NAS_2_SHARE: "x",
        SMB2NATS_CONNECTIONS: '{"nas3": {"server": "[2001:db8::1]:1446", "share": "y"}}',
        SMB2NATS_USERNAME: "u",
        SMB2NATS_PASSWORD_FILE: "/p",
      },
    });
    expect(config.connections["nas_2"]).toMatchObject({ server: "nas2", port: 1445, share: "x" });
    expect(config.connections["nas3"]).toMatchObject({ server: "2001:db8::1", port: 1446 });
  });

  it("lends the shared account whole, or not at all", () => {
    const { config } = load(
      "connections: { a: { server: s, share: x }, b: { server: s, share: x, username: other, passwordFile: /b } }",
      { SMB2NATS_USERNAME: "u", SMB2NATS_DOMAIN: "D", SMB2NATS_PASSWORD_FILE: "/shared" },
    );
    expect(config.connections["a"]).toMatchObject({ username: "u", domain: "D", passwordFile: "/shared" });
    expect(config.connections["b"]).toMatchObject({ username: "other", passwordFile: "/b" });
    expect(config.connections["b"]?.domain).toBeUndefined();
  });

  it("ignores empty variables and what Kubernetes injects for Services of our name", () => {
    const { config } = loadConfig({
      env: {
        SMB2NATS_HTTP_HOST: "",
        SMB2NATS_GATEWAY_PORT: "tcp://10.0.0.7:8080",
        SMB2NATS_GATEWAY_SERVICE_HOST: "10.0.0.7",
        SMB2NATS_GATEWAY_SERVICE_PORT_HTTP: "8080",
        SMB2NATS_GATEWAY_PORT_8080_TCP_ADDR: "10.0.0.7",
      },
    });
    expect(config.http.host).toBe("127.0.0.1");
    expect(config.gateway.port).toBe(8080);
  });

  it("cannot be changed afterwards", () => {
    const { config } = load(NAS);
    expect(() => {
      (config.connections["nas1"] as { share: string }).share = "other";
    }).toThrow(TypeError);
  });

  it("is not fooled by names of the prototype", () => {
    expect(problems('{"__proto__": {"port": 1}, "constructor": {"prototype": {"x": 1}}}')).toEqual([
      "__proto__: is not a known key",
      "constructor: is not a known key",
    ]);
    expect(
      problems('{"connections": {"constructor": {"server": "s", "share": "x", "auth": "kerberos"}}}'),
    ).toEqual([]);
    expect(({} as Record<string, unknown>)["x"]).toBeUndefined();
  });

  it("tells all problems at once", () => {
    expect(problems("http: { port: x }\nlog: { level: loud }\nfoo: 1")).toHaveLength(3);
  });

  it("prints without secrets", () => {
    const loaded = load(`${NAS}gateway: { auth: { jwksUrl: "https://user:hunter2@host/keys" } }`);
    const text = JSON.stringify(configLines(loaded));
    expect(text).not.toContain("hunter2");
    expect(text).toContain("https://[redacted]@host/keys");
    expect(configLines(loaded)).toContainEqual({
      key: "connections.nas1.share",
      value: "media",
      origin: expect.objectContaining({ source: "file" }),
    });
  });
});

describe("typical mistakes", () => {
  const rows: [what: string, text: string, env: LoadOptions["env"], lines: string[]][] = [
    ["a typo", "gatway: { port: 1 }", {}, ["gatway: is not a known key; did you mean `gateway`?"]],
    [
      "a nested typo",
      "nats: { stream: { maxAgeHour: 1 } }",
      {},
      ["nats.stream.maxAgeHour: is not a known key; did you mean `nats.stream.maxAgeHours`?"],
    ],
    [
      "another spelling",
      nas("settle_ms: 5"),
      {},
      ["connections.nas1.settle_ms: is not a known key; did you mean `connections.nas1.settleMs`?"],
    ],
    [
      "a key in the wrong section",
      "leaseTtlMs: 1",
      {},
      ["leaseTtlMs: is not a known key; did you mean `worker.leaseTtlMs`?"],
    ],
    [
      "a password in the file",
      "connections: { a: { server: s, share: x, username: u, password: hunter2 } }",
      {},
      ["connections.a.password: is not a known key; did you mean `connections.a.passwordFile`?"],
    ],
    [
      "no server",
      "connections: { a: { share: x, username: u, passwordFile: /p } }",
      {},
      ["connections.a.server: is missing"],
    ],
    ["text for a number", "http: { port: 94x4 }", {}, ['http.port: "94x4" is not an integer, 0 to 65535']],
    [
      "the same in the environment",
      "",
      { SMB2NATS_HTTP_PORT: "9464abc" },
      ['http.port: "9464abc" is not an integer, 0 to 65535 (SMB2NATS_HTTP_PORT)'],
    ],
    ["yes for true", nas("stat: yes"), {}, ['connections.nas1.stat: "yes" is neither true nor false']],
    [
      "a word that is not offered",
      nas("signing: on"),
      {},
      ['connections.nas1.signing: "on" is not one of required, if-offered'],
    ],
    [
      "a dialect without quotes",
      nas("minDialect: 3.0"),
      {},
      ["connections.nas1.minDialect: 3 is not one of 2.0.2, 2.1, 3.0, 3.0.2, 3.1.1; put it in quotes"],
    ],
    [
      "a number for a name",
      nas("domain: 1234"),
      {},
      ["connections.nas1.domain: 1234 is not text; put it in quotes"],
    ],
    [
      "backslashes",
      nas("root: 'a\\b'"),
      {},
      ['connections.nas1.root: "a\\\\b" is not a path: no "." or "..", no backslash, no control characters'],
    ],
    [
      "a share with its server",
      "connections: { a: { server: s, share: '//s/x', username: u, passwordFile: /p } }",
      {},
      ['connections.a.share: "//s/x" is not the name of a share, without slashes'],
    ],
    [
      "a bad filter",
      nas("notify: [names, contents]"),
      {},
      [
        'connections.nas1.notify: ["names","contents"] has "contents", which is not one of names, file-names, directory-names, attributes, size, last-write, last-access, creation, ea, security, stream-names, stream-size, stream-write',
      ],
    ],
    [
      "upper case in a name",
      "connections: { NAS1: { server: s, share: x, username: u, passwordFile: /p } }",
      {},
      [
        "connections.NAS1: the name is not a connection's name: a-z 0-9 _ -, at most 63, not beginning with _ or -",
      ],
    ],
    [
      "a list for the map",
      "connections: [ { name: a } ]",
      {},
      ["connections: is not a map from names to connections"],
    ],
    ["a scalar for a section", "http: 9464", {}, ["http: 9464 is not a map of settings"]],
    [
      "a pinned watch of nothing",
      `${NAS}watches: [ { connection: nas, path: / } ]`,
      {},
      ['watches[0].connection: "nas" is not among the connections; did you mean `nas1`?'],
    ],
    [
      "a user without password",
      "connections: { a: { server: s, share: x, username: u } }",
      {},
      ["connections.a.passwordFile: is missing, with a username set"],
    ],
    [
      "nobody to log in as",
      "connections: { a: { server: s, share: x } }",
      {},
      ["connections.a.username: is missing: anonymous and guest sessions are not spoken"],
    ],
    ["a keytab for NTLM", nas("keytabFile: /k"), {}, ["connections.nas1.keytabFile: is for auth kerberos"]],
    ["a service for NTLM", nas("spnHost: h"), {}, ["connections.nas1.spnHost: is for auth kerberos"]],
    [
      "NTLM beside Kerberos alone",
      "connections: { a: { server: s, share: x, auth: kerberos, ntlmFallback: true, username: u, passwordFile: /p } }",
      {},
      ["connections.a.ntlmFallback: is for auth negotiate"],
    ],
    [
      "a fallback without password",
      "connections: { a: { server: s, share: x, auth: negotiate, ntlmFallback: true, username: u, keytabFile: /k } }",
      {},
      ["connections.a.passwordFile: is missing, with a username set"],
    ],
    [
      "two sources for Kerberos",
      "connections: { a: { server: s, share: x, auth: negotiate, username: u, keytabFile: /k, passwordFile: /p } }",
      {},
      ["connections.a.auth: takes one of passwordFile, keytabFile, ccache"],
    ],
    [
      "an open gateway",
      "gateway: { host: 0.0.0.0 }",
      {},
      [
        'gateway.auth.mode: "none" is for loopback addresses, and gateway.host is 0.0.0.0; set jwt, tokens, ask or headers, or gateway.auth.allowAnonymous',
      ],
    ],
    [
      "jwt without a key",
      "gateway: { auth: { mode: jwt } }",
      {},
      ["gateway.auth: mode jwt needs exactly one of jwksUrl, publicKeyFile, secretFile"],
    ],
    [
      "nobody to ask",
      "gateway: { auth: { mode: ask, ask: { list: items, header: 'X Y' } } }",
      {},
      [
        'gateway.auth.ask.header: "X Y" is not the name of an HTTP header',
        'gateway.auth.ask.list: "items" is not a JSON pointer such as /items',
        "gateway.auth.ask.url: is missing, with mode ask",
      ],
    ],
    [
      "another application's socket that cannot be one",
      "gateway: { upstream: { url: 'http://sambee/ws', types: ['a b'] } }",
      {},
      [
        'gateway.upstream.url: "http://sambee/ws" is not a ws(s) URL',
        'gateway.upstream.types: ["a b"] has "a b", which is not the type of a frame: A-Z a-z 0-9 _ . : -, at most 64',
      ],
    ],
    [
      "another application's socket with a fragment",
      "gateway: { upstream: { url: 'wss://sambee/ws#x' } }",
      {},
      ['gateway.upstream.url: "wss://sambee/ws#x" has a fragment, which no WebSocket has'],
    ],
    [
      "no URL to ask",
      "gateway: { auth: { mode: ask } }",
      {},
      ["gateway.auth.ask.url: is missing, with mode ask"],
    ],
    [
      "headers that anybody may set",
      "gateway: { allowedOrigins: ['*'], auth: { mode: headers, headers: { assertion: X-Signed } } }",
      {},
      [
        "gateway.trustedProxies: is empty, and mode headers believes whoever is in it",
        'gateway.allowedOrigins: "*" lets any page use the session that a browser has with the proxy, with mode headers',
        "gateway.auth: headers.assertion needs exactly one of jwksUrl, publicKeyFile, secretFile",
      ],
    ],
    [
      "a symmetric algorithm on public keys",
      "gateway: { auth: { mode: jwt, publicKeyFile: /k, algorithms: [RS256, HS256] } }",
      {},
      ["gateway.auth.algorithms: has HS256, which needs secretFile"],
    ],
    [
      "an unknown variable",
      "",
      { SMB2NATS_NATS_SERVER: "nats://a" },
      ["SMB2NATS_NATS_SERVER: is not a known variable; did you mean `SMB2NATS_NATS_SERVERS`?"],
    ],
    [
      "two ways to log in to NATS",
      "nats: { tokenFile: /t, credsFile: /c }",
      {},
      ["nats.tokenFile: is a second way to log in, beside nats.credsFile"],
    ],
    [
      "a certificate without key",
      "nats: { tls: { certFile: /c } }",
      {},
      ["nats.tls.keyFile: is missing: certificate and key come together"],
    ],
  ];
  it.each(rows)("%s", (_what, text, env, lines) => {
    expect(problems(text, env)).toEqual(lines);
  });

  it.each([
    ["ws://x", 'has "ws://x", which is NATS over WebSocket, which is not spoken'],
    ["http://x", /which is not nats:\/\/host/],
    ["nats://[::1", /which is not nats:\/\/host/],
    ["nats://[1.2.3.4]", /which is not nats:\/\/host/],
    ["h:99999", /which is not nats:\/\/host/],
    ["h:0", /which is not nats:\/\/host/],
    ["h:", /which is not nats:\/\/host/],
    ["nats://h/path", /which is not nats:\/\/host/],
    ["nats://", /which is not nats:\/\/host/],
    ["a b", /which is not nats:\/\/host/],
    // The client drops them without a word.
    ["nats://u:hunter2@h", /"nats:\/\/\[redacted\]@h", which has a login in it/],
    ["u:hunter2@h:4222", /"\[redacted\]@h:4222", which has a login in it/],
    ["hunter2@h", /which has a login in it/],
  ])("the NATS server %s", (server, line) => {
    const lines = problems(`nats: { servers: [ ${JSON.stringify(server)} ] }`);
    expect(lines).toHaveLength(1);
    expect(lines[0]).toMatch(line);
    expect(lines[0]).not.toContain("hunter2");
  });

  it.each([
    "h",
    "h:4222",
    "nats://h",
    "NATS://h:4222/",
    "tls://a.b",
    "[::1]:4222",
    "::1",
    "nats://[2001:db8::1]",
  ])("takes the NATS server %s", (server) => {
    expect(problems(`nats: { servers: [ ${JSON.stringify(server)} ] }`)).toEqual([]);
  });

  it("takes addresses to listen on with and without the brackets of URLs, and no port in them", () => {
    expect(load('http: { host: "[::1]" }').config.http.host).toBe("::1");
    expect(load('http: { host: "::1" }').config.http.host).toBe("::1");
    expect(problems("http: { host: 127.0.0.1:80 }")).toEqual([
      'http.host: "127.0.0.1:80" has a port, which is a setting of its own',
    ]);
    expect(problems('http: { host: "[::1" }')).toEqual(['http.host: "[::1" is not a host name or address']);
    expect(problems('http: { host: "a b" }')).toEqual(['http.host: "a b" is not a host name or address']);
  });

  it("across values are told beside those within them", () => {
    const lines = problems(`
http: { port: 94x }
nats: { user: u }
gateway: { host: 0.0.0.0 }
connections:
  a: { server: s, share: x, username: u, signing: on }
  b: { server: s, share: x, keytabFile: /k, username: u, passwordFile: /p }
watches: [ { connection: c, path: / } ]
`);
    expect(lines).toEqual([
      expect.stringMatching(/^http.port/),
      expect.stringMatching(/^connections.a.signing/),
      "nats.passwordFile: is missing, with nats.user set",
      "connections.a.passwordFile: is missing, with a username set",
      "connections.b.keytabFile: is for auth kerberos",
      'watches[0].connection: "c" is not among the connections; did you mean `a`?',
      expect.stringMatching(/^gateway.auth.mode: "none" is for loopback/),
    ]);
  });

  it("a rule has nothing to say of what is a problem already", () => {
    // Each of these would break a rule as its default.
    expect(problems("connections: { a: { server: s, share: x, username: 5 } }")).toHaveLength(1);
    expect(problems("connections: { a: { server: s, share: x, auth: krb, keytabFile: /k } }")).toHaveLength(
      1,
    );
    expect(problems("conections: { a: {} }\nwatches: [ { connection: a, path: / } ]")).toHaveLength(1);
    expect(problems("gateway: { host: 0.0.0.0, auth: { mode: oauth } }")).toHaveLength(1);
    expect(problems("gateway: { auth: { mode: jwt, jwksUrl: 5 } }")).toHaveLength(1);
    expect(problems("gateway: [", { SMB2NATS_GATEWAY_HOST: "0.0.0.0" }).join()).not.toContain("loopback");
  });

  it("a bad name of a connection hides nothing below it", () => {
    const lines = problems(
      "connections: { NAS1: { server: s, share: '//s/x', username: u, password: hunter2 }, __proto__: { stat: yes }, b.c: 5 }",
    );
    expect(lines).toEqual([
      "connections.b.c: 5 is not a map of settings",
      expect.stringMatching(/^connections.NAS1: the name is not/),
      expect.stringMatching(/^connections.__proto__: the name is not/),
      expect.stringMatching(/^connections.b.c: the name is not/),
      "connections.NAS1.password: is not a known key; did you mean `connections.NAS1.passwordFile`?",
      expect.stringMatching(/^connections.NAS1.share: "\/\/s\/x" is not/),
      "connections.__proto__.server: is missing",
      "connections.__proto__.share: is missing",
      'connections.__proto__.stat: "yes" is neither true nor false',
      expect.stringMatching(/^connections.__proto__.username: is missing/),
    ]);
  });

  it("in YAML: merge keys are read, other encodings and second documents are told", () => {
    const { config } = load(
      "connections:\n  a: &a { server: s, share: x, username: u, passwordFile: /p }\n  b: { <<: *a, share: y }\n",
    );
    expect(config.connections["b"]).toMatchObject({ server: "s", share: "y", passwordFile: "/p" });
    expect(problems("http: { port: 1 }\n---\nhttp: { port: 2 }\n")).toEqual([
      expect.stringMatching(/: line 2, column 1: a second document begins here \(---\), and one is read$/),
    ]);
    expect(load("---\nhttp: { port: 1 }\n").config.http.port).toBe(1);
    for (const bytes of [
      Buffer.from("\ufeffhttp: { port: 1 }", "utf16le"),
      Buffer.from("http: { port: 1 }", "utf16le"),
      Buffer.from("http: { host: \xfc }", "latin1"),
    ]) {
      const file = join(folder, "bytes.yaml");
      writeFileSync(file, bytes);
      expect(() => loadConfig({ file, env: {} })).toThrow(/is not UTF-8 text/);
    }
    expect(load("\ufeffhttp: { port: 1 }").config.http.port).toBe(1);
  });

  it("two dozen of them in one file: a line each, with key, value, reason and the nearest key", async () => {
    const lines = problems(readFileSync(join(FIXTURES, "mistakes.yaml"), "utf8"));
    expect(lines).toHaveLength(24);
    for (const line of lines) expect(line).toMatch(/^[\w.]+: \S.*[^.\n]$/);
    await expect(`${lines.join("\n")}\n`).toMatchFileSnapshot(join(FIXTURES, "mistakes.txt"));
  });

  it("bad syntax, with its place and without the text around it", () => {
    const lines = problems("nats:\n  passwordFile: [hunter2\nhttp: {}\n");
    expect(lines[0]).toMatch(/line \d+, column \d+: /);
    expect(lines.join()).not.toContain("hunter2");
  });

  it("a key twice", () => {
    expect(problems("http: { port: 1 }\nhttp: { port: 2 }")[0]).toMatch(/line 2, column 1: .*unique/);
  });

  it("a file that is not there", () => {
    expect(() => loadConfig({ file: join(folder, "none.yaml"), env: {} })).toThrow(
      /none\.yaml: cannot be read/,
    );
  });

  it("a secret is never quoted", () => {
    const lines = problems(
      "connections: { a: { server: s, share: x, passwordFile: [hunter2], token: hunter2, password: { a: hunter2 } } }",
    );
    expect(lines.length).toBeGreaterThan(0);
    expect(lines.join("\n")).not.toContain("hunter2");
  });
});
