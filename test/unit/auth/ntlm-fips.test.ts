import { expect, it, vi } from "vitest";
import { createNtlmProvider } from "../../../src/auth/ntlm.ts";

vi.mock("node:crypto", async (original) => {
  const real = await original<typeof import("node:crypto")>();
  const refuse = (name: string): void => {
    if (name === "md5") throw Object.assign(new Error("unsupported"), { code: "ERR_OSSL_EVP_UNSUPPORTED" });
  };
  return {
    ...real,
    createHmac: (...args: Parameters<typeof real.createHmac>) => {
      refuse(args[0]);
      return real.createHmac(...args);
    },
    createHash: (...args: Parameters<typeof real.createHash>) => {
      refuse(args[0]);
      return real.createHash(...args);
    },
  };
});

it("without MD5 the first step says that NTLM is impossible, before anything is sent", async () => {
  const provider = createNtlmProvider({ username: "watcher", password: "secret" });
  const exchange = provider.begin({ host: "nas", serverToken: new Uint8Array(0) });
  await expect(exchange.next(undefined, { final: false })).rejects.toMatchObject({
    code: "AUTH_NTLM_UNAVAILABLE",
    message: expect.stringContaining("FIPS") as string,
  });
});
