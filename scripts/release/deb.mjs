// npm run deb [-- FOLDER]: a Debian package of what `npm pack` makes, its npm packages and the systemd units, into FOLDER
// (default artifacts/). Needs dpkg-deb and a built dist/. It asks for Node 20.19 or newer: Debian 13 has it.
import { execFileSync } from "node:child_process";
import {
  chmodSync,
  cpSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { root, say } from "../setup.mjs";

const target = resolve(process.argv[2] ?? join(root, "artifacts"));
const { version, description, engines } = JSON.parse(readFileSync(join(root, "package.json"), "utf8"));
const node = /[\d.]+/.exec(engines.node)?.[0];
const work = mkdtempSync(join(tmpdir(), "smb2nats-deb-"));
const architecture = output("dpkg", ["--print-architecture"]);
try {
  mkdirSync(target, { recursive: true });
  const file = join(target, `smb2nats_${version}-1_${architecture}.deb`);
  build(join(work, "root"), file);
  say(`made ${file}`);
} finally {
  rmSync(work, { recursive: true, force: true });
}

function build(tree, file) {
  const lib = join(tree, "usr/lib/smb2nats");
  mkdirSync(lib, { recursive: true });
  const [{ filename }] = JSON.parse(output("npm", ["pack", "--json", "--pack-destination", work], root));
  execFileSync("tar", ["-xzf", join(work, filename), "--strip-components=1", "-C", lib]);
  cpSync(join(root, "package-lock.json"), join(lib, "package-lock.json"));
  execFileSync("npm", ["ci", "--omit=dev", "--ignore-scripts", "--no-audit", "--no-fund", "--silent"], {
    cwd: lib,
    stdio: "inherit",
  });
  rmSync(join(lib, "package-lock.json"));

  const doc = join(tree, "usr/share/doc/smb2nats");
  mkdirSync(doc, { recursive: true });
  for (const name of ["docs", "README.md", "CHANGELOG.md"]) {
    cpSync(join(lib, name), join(doc, name), { recursive: true });
    rmSync(join(lib, name), { recursive: true });
  }
  write(join(doc, "copyright"), readFileSync(join(root, "LICENSE"), "utf8"));

  const program = join(tree, "usr/bin/smb2nats");
  write(program, '#!/bin/sh\nexec /usr/bin/node /usr/lib/smb2nats/dist/cli/main.js "$@"\n', 0o755);
  for (const unit of readdirSync(join(root, "deploy/systemd")).filter((name) => name.endsWith(".service"))) {
    write(
      join(tree, "usr/lib/systemd/system", unit),
      readFileSync(join(root, "deploy/systemd", unit), "utf8"),
    );
  }
  write(
    join(tree, "etc/smb2nats/smb2nats.yaml"),
    readFileSync(join(root, "deploy/systemd/smb2nats.yaml"), "utf8"),
  );
  for (const role of ["worker", "gateway"]) {
    const folder = join(tree, "etc/smb2nats", `${role}.secrets`);
    mkdirSync(folder, { recursive: true });
    chmodSync(folder, 0o700);
  }

  const size = Math.ceil(bytesBelow(tree) / 1024);
  const control = [
    "Package: smb2nats",
    `Version: ${version}-1`,
    `Architecture: ${architecture}`,
    "Maintainer: the smb2nats authors <noreply@example.org>",
    `Installed-Size: ${size}`,
    `Depends: nodejs (>= ${node})`,
    "Recommends: nats-server",
    "Section: net",
    "Priority: optional",
    `Description: ${description.split(":")[0]}`,
    ` ${description}.`,
    "",
  ].join("\n");
  write(join(tree, "DEBIAN/control"), control);
  write(join(tree, "DEBIAN/conffiles"), "/etc/smb2nats/smb2nats.yaml\n");
  const reload = "if [ -d /run/systemd/system ]; then systemctl daemon-reload || true; fi";
  const units = "smb2nats-worker.service smb2nats-gateway.service";
  // Not started: there is nothing to do without a connection. An upgrade restarts what runs: watches are handed over.
  write(
    join(tree, "DEBIAN/postinst"),
    `#!/bin/sh\nset -e\n${reload}\nif [ "$1" = configure ] && [ -n "$2" ] && [ -d /run/systemd/system ]; then systemctl try-restart ${units} || true; fi\n`,
    0o755,
  );
  write(
    join(tree, "DEBIAN/prerm"),
    `#!/bin/sh\nset -e\nif [ "$1" = remove ] && [ -d /run/systemd/system ]; then systemctl disable --now ${units} || true; fi\n`,
    0o755,
  );
  write(join(tree, "DEBIAN/postrm"), `#!/bin/sh\nset -e\n${reload}\n`, 0o755);
  execFileSync("dpkg-deb", ["--root-owner-group", "-Zxz", "--build", tree, file], {
    stdio: ["ignore", "ignore", "inherit"],
  });
}

function write(path, text, mode = 0o644) {
  mkdirSync(join(path, ".."), { recursive: true });
  writeFileSync(path, text);
  chmodSync(path, mode);
}

function bytesBelow(folder) {
  return readdirSync(folder, { withFileTypes: true }).reduce((sum, entry) => {
    const path = join(folder, entry.name);
    return (
      sum + (entry.isDirectory() ? bytesBelow(path) : (statSync(path, { throwIfNoEntry: false })?.size ?? 0))
    );
  }, 0);
}

function output(program, args, cwd = work) {
  return execFileSync(program, args, { cwd, encoding: "utf8", stdio: ["ignore", "pipe", "inherit"] }).trim();
}
