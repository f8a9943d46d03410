import { afterAll, beforeAll, expect, it, vi } from "vitest";
import { type Samba, startSamba } from "../../scripts/lab/samba.ts";
import { CommandLine } from "../support/processes/cli.ts";

let old: Samba;
let cli: CommandLine;

beforeAll(async () => {
  old = await startSamba({ global: { "server max protocol": "SMB2_02" } });
  cli = new CommandLine({
    SMB2NATS_PASSWORD_FILE: old.passwordFile,
    SMB2NATS_USERNAME: old.user,
    SMB2NATS_DOMAIN: old.domain,
  });
});
afterAll(async () => {
  await cli?.close();
  await old?.stop();
});

const share = (): string => `//127.0.0.1:${old.port}/share`;

it("a server of 2.0.2 only: the refusal names the option, and the option lets it in", async () => {
  const refused = cli.run(["check", share()]);
  expect(await refused.code).toBe(77);
  expect(refused.out()).toMatch(
    /cannot be used: the server speaks no SMB dialect from 2\.1 on.*--min-dialect 2\.0\.2 \(`minDialect: "2\.0\.2"`\) would let it in/,
  );

  const tried = cli.run(["check", share(), "--min-dialect", "2.0.2", "--json"]);
  expect(await tried.code).toBe(0);
  expect(tried.lines()[0]).toMatchObject({ ok: true, dialect: "2.0.2", server: "samba", notify: true });
  expect(tried.lines()[0]).not.toHaveProperty("version");

  const tail = cli.run(["tail", share(), "--min-dialect", "2.0.2", "--json"]);
  await vi.waitFor(() => expect(tail.lines()[0]).toMatchObject({ type: "live" }), {
    timeout: 30_000,
    interval: 50,
  });
  tail.child.kill("SIGINT");
  expect(await tail.code).toBe(0);
});

it("what is demanded and not there is refused with its option; a configured connection can be tried otherwise", async () => {
  const env = {
    SMB2NATS_CONNECTIONS: JSON.stringify({
      old: { server: `127.0.0.1:${old.port}`, share: "share", minDialect: "2.0.2", encryption: "required" },
    }),
  };
  const refused = cli.run(["check", "old", "--json"], { env });
  expect(await refused.code).toBe(77);
  expect(refused.lines()[0]).toMatchObject({
    ok: false,
    error: expect.stringMatching(/has no cipher of ours; --encryption auto \(`encryption: auto`\)/),
  });
  const tried = cli.run(["check", "old", "--encryption", "off"], { env });
  expect(await tried.code).toBe(0);
  expect(tried.out()).toMatch(/server {2,}samba, SMB 2\.0\.2, ntlm login in/);
});
