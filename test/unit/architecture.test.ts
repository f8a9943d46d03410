import { readdirSync, readFileSync } from "node:fs";
import { builtinModules } from "node:module";
import { dirname, join, relative, resolve, sep } from "node:path";
import { describe, expect, it } from "vitest";

/** docs/architecture.md draws this table: a floor may import the floors named, and nothing above. */
const FLOORS: Record<string, { floors: string[]; packages: string[] | "any"; node: boolean }> = {
  base: { floors: [], packages: [], node: true },
  codec: { floors: ["base"], packages: [], node: false },
  crypto: { floors: ["base"], packages: [], node: true },
  auth: { floors: ["base", "crypto"], packages: ["koffi"], node: true },
  smb: { floors: ["base", "codec", "crypto", "auth"], packages: [], node: true },
  watch: { floors: ["base"], packages: [], node: true },
  share: { floors: ["base", "codec", "auth", "smb", "watch"], packages: [], node: true },
  broker: { floors: ["base", "watch"], packages: ["@nats-io/"], node: true },
  fleet: { floors: ["base", "watch", "broker"], packages: ["zod"], node: true },
  ops: {
    floors: ["base"],
    packages: ["convict", "pino", "pino-pretty", "prom-client", "yaml"],
    node: true,
  },
  worker: {
    floors: ["base", "auth", "smb", "watch", "share", "broker", "fleet", "ops"],
    packages: [],
    node: true,
  },
  gateway: {
    floors: ["base", "watch", "broker", "fleet", "ops"],
    packages: ["ws", "jose", "zod"],
    node: true,
  },
  client: { floors: ["base", "watch", "broker", "fleet"], packages: [], node: true },
  cli: {
    floors: [
      "base",
      "auth",
      "smb",
      "watch",
      "share",
      "broker",
      "fleet",
      "ops",
      "worker",
      "gateway",
      "client",
    ],
    packages: "any",
    node: true,
  },
};

/**
 * Rooms of a floor, in the order in which imports may run: a file may import its own room and those before it. The
 * first names the files at the top of the floor that are its vocabulary; a file named alone is a room of its own.
 */
const ROOMS: Record<string, string[][]> = {
  watch: [
    [
      "doubt.ts",
      "events.ts",
      "facts.ts",
      "file-time.ts",
      "gap-rules.ts",
      "interest.ts",
      "options.ts",
      "pacing.ts",
      "quiet-period.ts",
      "ready-options.ts",
      "source.ts",
    ],
    ["handle"],
    ["picture"],
    ["ready"],
    ["api.ts"],
    ["rescan"],
    ["deliver"],
    ["cover"],
    ["share-watcher.ts"],
    ["mirror"],
  ],
  smb: [
    [
      "errors.ts",
      "status-class.ts",
      "facts.ts",
      "options.ts",
      "wire-path.ts",
      "dfs-location.ts",
      "server-info.ts",
    ],
    ["wire"],
    ["login"],
    ["files"],
    ["pool"],
    ["dfs"],
  ],
  broker: [
    [
      "cursor.ts",
      "errors.ts",
      "facts.ts",
      "message.ts",
      "port.ts",
      "stream-config.ts",
      "subjects.ts",
      "token.ts",
      "versions.ts",
    ],
    ["message"],
    ["link"],
    ["streams"],
    ["bucket"],
    ["publish"],
    ["feed"],
    ["broker.ts"],
  ],
  gateway: [
    ["clients.ts", "close-codes.ts", "errors.ts", "facts.ts", "grants.ts", "options.ts"],
    ["auth"],
    ["hub"],
    ["peer"],
    ["http"],
    ["page"],
    ["server.ts"],
  ],
  ops: [
    ["config-error.ts", "event-loop.ts", "nearest.ts", "secrets.ts", "version.ts"],
    ["config"],
    ["metrics"],
    ["http.ts", "lifecycle.ts", "log.ts", "metrics.ts", "summary.ts"],
  ],
  cli: [
    [
      "command.ts",
      "credentials.ts",
      "early-signals.ts",
      "embedded-nats.ts",
      "exec.ts",
      "exit-codes.ts",
      "help.ts",
      "leave.ts",
      "load-config.ts",
      "number-option.ts",
      "output.ts",
      "prompt.ts",
      "share-argument.ts",
    ],
    ["compose"],
    ["commands"],
    ["commands.ts"],
    ["program.ts"],
    ["main.ts"],
  ],
};

/**
 * A folder inside a floor is a room, and its `index.ts` its face; but these have none. `codec/msg` is a shelf: each file
 * is one message, and nothing in it is private. `client/browser` is loaded by browsers as it is: its door is in
 * package.json.
 */
const FACELESS: readonly string[] = ["codec/msg", "client/browser"];

/** Words that a floor must not contain even without an import. */
const FORBIDDEN: Record<string, RegExp[]> = {
  codec: [/\basync\b/, /\bprocess\./, /Math\.random/, /Date\.now/, /performance\./],
  smb: [/\bprocess\.env/],
  watch: [/Date\.now/, /performance\.now/, /\bsetTimeout\(/, /\bsetInterval\(/],
  worker: [/\bprocess\./],
  gateway: [/\bprocess\./],
};

const SRC = resolve(import.meta.dirname, "../../src");

function files(dir: string): string[] {
  return readdirSync(dir, { withFileTypes: true }).flatMap((entry) => {
    const path = join(dir, entry.name);
    if (entry.isDirectory()) return files(path);
    return entry.name.endsWith(".ts") ? [path] : [];
  });
}

/** Comments may mention what the code may not do. */
function withoutComments(text: string): string {
  return text.replace(/\/\*[\s\S]*?\*\//g, "").replace(/(^|[^:"'`])\/\/.*$/gm, "$1");
}

function importsOf(text: string): string[] {
  return [...text.matchAll(/(?<![.\w])(?:from|import)\s*\(?\s*["']([^"']+)["']/g)].map(
    (match) => match[1] as string,
  );
}

/** The outermost room that holds `to` and not `from`, both relative to `src`. */
function roomEntered(from: string, to: string): string | undefined {
  const folders = dirname(to).split("/");
  for (let depth = 2; depth <= folders.length; depth++) {
    const room = folders.slice(0, depth).join("/");
    if (!from.startsWith(`${room}/`)) return FACELESS.includes(room) ? undefined : room;
  }
  return undefined;
}

/** `import("…")` only, and no type of it: the file was picked so that nothing else of its room is loaded. */
function lazy(code: string, target: string): boolean {
  return !code.includes(`from "${target}"`) && !code.includes(`import "${target}"`);
}

/** What a file imports, or hands on, from `target`, by the names it has there. */
function namesFrom(code: string, target: string): string[] {
  return [...code.matchAll(/\{([^{}]*)\}\s*from\s*"([^"]+)"/g)]
    .filter((match) => match[2] === target)
    .flatMap((match) => (match[1] as string).split(","))
    .map((each) =>
      each
        .trim()
        .replace(/^type /, "")
        .replace(/ as .*/, ""),
    )
    .filter((each) => each !== "");
}

const sources = files(SRC).map((path) => {
  const text = readFileSync(path, "utf8");
  const name = relative(SRC, path).split(sep).join("/");
  return { path, name, floor: name.includes("/") ? (name.split("/")[0] as string) : "", text };
});

describe("architecture", () => {
  it("finds the sources", () => {
    expect(sources.length).toBeGreaterThan(5);
  });

  it("imports run downward only", () => {
    const wrong: string[] = [];
    for (const { path, name, floor, text } of sources) {
      if (floor === "") continue; // src/index.ts, the package's door, may see every floor
      const rule = FLOORS[floor];
      if (rule === undefined) {
        wrong.push(`${name}: floor "${floor}" is not in the table`);
        continue;
      }
      for (const target of importsOf(withoutComments(text))) {
        if (target.startsWith(".")) {
          const to = relative(SRC, resolve(dirname(path), target)).split(sep);
          const other = to.length > 1 ? (to[0] as string) : "(root)";
          if (other !== floor && !rule.floors.includes(other)) wrong.push(`${name} imports ${target}`);
        } else if (target.startsWith("node:") || builtinModules.includes(target)) {
          if (!rule.node) wrong.push(`${name} imports ${target}`);
        } else if (rule.packages !== "any" && !rule.packages.some((name) => target.startsWith(name))) {
          wrong.push(`${name} imports ${target}`);
        }
      }
    }
    expect(wrong).toEqual([]);
  });

  it("imports between the rooms of a floor run one way", () => {
    const wrong: string[] = [];
    for (const { path, name, floor, text } of sources) {
      const rooms = ROOMS[floor];
      if (rooms === undefined) continue;
      const rankOf = (room: string | undefined): number =>
        rooms.findIndex((names) => room !== undefined && names.includes(room));
      const rank = rankOf(name.split("/")[1]);
      if (rank < 0) wrong.push(`${name} is in no room`);
      for (const target of importsOf(withoutComments(text)).filter((each) => each.startsWith("."))) {
        const [other, room] = relative(SRC, resolve(dirname(path), target)).split(sep);
        if (other === floor && rankOf(room) > rank) wrong.push(`${name} imports ${target}`);
      }
    }
    expect(wrong).toEqual([]);
  });

  it("a room is imported through its face only", () => {
    const wrong: string[] = [];
    const used = new Map<string, Set<string>>();
    for (const { path, name, text } of sources) {
      const code = withoutComments(text);
      for (const target of importsOf(code).filter((each) => each.startsWith("."))) {
        const to = relative(SRC, resolve(dirname(path), target))
          .split(sep)
          .join("/");
        const room = roomEntered(name, to);
        if (room === undefined || lazy(code, target)) continue;
        if (to !== `${room}/index.ts`) wrong.push(`${name} imports ${to}, and not ${room}/index.ts`);
        const names = used.get(room) ?? new Set();
        for (const each of namesFrom(code, target)) names.add(each);
        used.set(room, names);
      }
    }
    for (const { name, text } of sources.filter((each) => each.name.endsWith("/index.ts"))) {
      const code = withoutComments(text);
      if (code.replaceAll(/^export (?:type )?\{[^}]*\} from "\.\/[^"]+";$/gm, "").trim() !== "")
        wrong.push(`${name} is a face: it hands on names of its room, one by one`);
      for (const each of importsOf(code).flatMap((target) => namesFrom(code, target)))
        if (!used.get(dirname(name))?.has(each)) wrong.push(`${name}: nobody outside uses ${each}`);
    }
    expect(wrong).toEqual([]);
  });

  it("there is no circle, imports of types included", () => {
    const graph = new Map(
      sources.map(({ path, text }) => [
        path,
        importsOf(withoutComments(text)).flatMap((target) =>
          target.startsWith(".") ? [resolve(dirname(path), target)] : [],
        ),
      ]),
    );
    const done = new Set<string>();
    const circles: string[] = [];
    const walk = (path: string, way: readonly string[]): void => {
      const begun = way.indexOf(path);
      if (begun >= 0)
        circles.push([...way.slice(begun), path].map((each) => relative(SRC, each)).join(" -> "));
      if (begun >= 0 || done.has(path)) return;
      for (const next of graph.get(path) ?? []) walk(next, [...way, path]);
      done.add(path);
    };
    for (const path of graph.keys()) walk(path, []);
    expect(circles).toEqual([]);
  });

  it("floors do not use what they must not know", () => {
    const wrong = sources.flatMap(({ name, floor, text }) =>
      (FORBIDDEN[floor] ?? [])
        .filter((pattern) => pattern.test(withoutComments(text)))
        .map((pattern) => `${name}: ${pattern}`),
    );
    expect(wrong).toEqual([]);
  });

  it("no source file is over 350 lines", () => {
    const long = sources
      .map(({ name, text }) => ({ name, lines: text.split("\n").length - 1 }))
      .filter(({ lines }) => lines > 350);
    expect(long).toEqual([]);
  });

  it("every floor has a README of at most ten lines", () => {
    const floors = new Set(sources.map(({ floor }) => floor).filter((floor) => floor !== ""));
    const wrong = [...floors].filter((floor) => {
      try {
        return (
          readFileSync(join(SRC, floor, "README.md"), "utf8")
            .trimEnd()
            .split("\n").length > 12
        );
      } catch {
        return true;
      }
    });
    expect(wrong).toEqual([]);
  });
});
