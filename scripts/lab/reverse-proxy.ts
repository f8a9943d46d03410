import { execFileSync } from "node:child_process";
import { existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { findSbin } from "./programs.ts";
import { ServerProcess } from "./server-process.ts";
import { createWorkspace, freePort } from "./workspace.ts";

export type ProxyKind = "nginx" | "haproxy" | "caddy" | "traefik";

const MIME_TYPES = "/etc/nginx/mime.types";

export interface ReverseProxy {
  readonly port: number;
  /** All it has written anywhere: its output and each of its logs. */
  logs(): string;
  stop(): Promise<void>;
}

export function findProxy(kind: ProxyKind): string | undefined {
  return process.env[`${kind.toUpperCase()}_BIN`] ?? findSbin(kind);
}

/**
 * Runs a proxy with configuration files as somebody would install them: their ports, folders and certificates are replaced by
 * those of a temporary folder, and nothing else. nginx's files are what stands in `conf.d`.
 * @param files - by name; the first is the one that the program is started with
 * @param replace - further texts to replace: the upstreams
 */
export async function startReverseProxy(
  kind: ProxyKind,
  files: Readonly<Record<string, string>>,
  replace: Readonly<Record<string, string>>,
): Promise<ReverseProxy> {
  const program = findProxy(kind);
  if (program === undefined) throw new Error(`${kind} is not installed`);
  const workspace = createWorkspace();
  const { dir } = workspace;
  const port = await freePort();
  try {
    for (const name of ["logs", "data"]) mkdirSync(join(dir, name));
    certify(dir);
    const text = (content: string): string => {
      let own = content
        .replaceAll("listen 443 ", `listen 127.0.0.1:${port} `)
        .replaceAll("bind :443 ", `bind 127.0.0.1:${port} `)
        .replaceAll('":443"', `"127.0.0.1:${port}"`)
        .replaceAll("/etc/ssl/", `${dir}/`)
        .replaceAll(/\/etc\/(?:traefik|haproxy|caddy)\//g, `${dir}/`)
        .replaceAll(/\/var\/log\/(?:nginx|caddy|traefik)\//g, `${dir}/logs/`);
      for (const [from, to] of Object.entries(replace)) own = own.replaceAll(from, to);
      return own;
    };
    const names = Object.keys(files);
    for (const [name, content] of Object.entries(files)) {
      mkdirSync(dirname(join(dir, name)), { recursive: true });
      writeFileSync(join(dir, name), text(content));
    }
    const [first = ""] = names;
    const main = join(dir, first);
    if (kind === "nginx") writeFileSync(join(dir, "nginx.conf"), nginxMain(dir, names));
    if (kind === "caddy") writeFileSync(main, caddyMain(readFileSync(main, "utf8"), port));
    const args = {
      nginx: ["-c", join(dir, "nginx.conf"), "-e", join(dir, "logs/main-error.log")],
      haproxy: ["-db", "-f", main],
      caddy: ["run", "--adapter", "caddyfile", "--config", main],
      traefik: [`--configFile=${main}`],
    }[kind];
    const server = new ServerProcess(workspace, program, args, {
      name: kind,
      env: { HOME: dir, XDG_DATA_HOME: join(dir, "data"), XDG_CONFIG_HOME: join(dir, "data") },
    });
    await server.start(port);
    return {
      port,
      logs: () =>
        [
          server.log(),
          ...readdirSync(join(dir, "logs")).map((name) => readFileSync(join(dir, "logs", name), "utf8")),
        ].join("\n"),
      async stop() {
        await server.stop();
        workspace.remove();
      },
    };
  } catch (error) {
    workspace.remove();
    throw error;
  }
}

/** What a system's nginx.conf is to its conf.d. */
function nginxMain(dir: string, names: readonly string[]): string {
  const temporary = ["client_body", "proxy", "fastcgi", "uwsgi", "scgi"];
  return `daemon off;
pid ${dir}/nginx.pid;
worker_processes 1;
${process.getuid?.() === 0 ? "user root;" : ""}
events {}
http {
    ${existsSync(MIME_TYPES) ? `include ${MIME_TYPES};` : ""}
    access_log ${dir}/logs/access.log;
    ${temporary.map((name) => `${name}_temp_path ${dir}/data/${name};`).join("\n    ")}
    ${names.map((name) => `include ${dir}/${name};`).join("\n    ")}
}
`;
}

function caddyMain(text: string, port: number): string {
  // What stands before the first site is for all of them.
  const own = "admin off\n    auto_https disable_redirects\n    default_bind 127.0.0.1\n";
  const sites = text.replace("files.example.org {", `files.example.org:${port} {`);
  return /^\{$/m.test(sites) ? sites.replace(/^\{$/m, `{\n    ${own}`) : `{\n    ${own}}\n${sites}`;
}

/** A certificate that signs itself, in the forms that proxies want. */
function certify(dir: string): void {
  const at = (end: string): string => join(dir, `files.example.org.${end}`);
  const args =
    "req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 2 -subj /CN=files.example.org -addext subjectAltName=DNS:files.example.org";
  execFileSync("openssl", [...args.split(" "), "-keyout", at("key"), "-out", at("pem")], { stdio: "ignore" });
  writeFileSync(at("both.pem"), readFileSync(at("pem"), "utf8") + readFileSync(at("key"), "utf8"), {
    mode: 0o600,
  });
}
