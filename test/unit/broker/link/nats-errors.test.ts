import { JetStreamApiError } from "@nats-io/jetstream";
import { errors as nats, RequestError } from "@nats-io/transport-node";
import { describe, expect, it } from "vitest";
import { DeadlineError } from "../../../../src/base/errors.ts";
import { ConflictError } from "../../../../src/broker/errors.ts";
import { toBrokerError } from "../../../../src/broker/link/nats-errors.ts";

const api = (err_code: number, code = 400): Error =>
  new JetStreamApiError({ code, err_code, description: "no" });

describe("failures of the NATS client", () => {
  it.each<[string, Error, string, string]>([
    ["wrong last sequence", api(10071), "BROKER_CONFLICT", "refused"],
    ["wrong last sequence, unknown", api(10164), "BROKER_CONFLICT", "refused"],
    ["stream full", api(10077, 503), "BROKER_FULL", "refused"],
    ["no stream", api(10059, 404), "BROKER_NO_STREAM", "refused"],
    ["some limit", api(10999, 503), "BROKER_FULL", "refused"],
    ["anything else", api(10999), "BROKER_REFUSED", "refused"],
    ["silence", new nats.TimeoutError(), "BROKER_TIMEOUT", "silent"],
    [
      "silence of a request",
      new RequestError("x", { cause: new nats.TimeoutError() }),
      "BROKER_TIMEOUT",
      "silent",
    ],
    ["nobody there", new nats.NoRespondersError("a"), "BROKER_NO_JETSTREAM", "refused"],
    ["wrong password", new nats.AuthorizationError("no"), "BROKER_DENIED", "refused"],
    ["no permission", new nats.PermissionViolationError("no", "publish", "a"), "BROKER_DENIED", "refused"],
    ["closed", new nats.ClosedConnectionError(), "BROKER_UNAVAILABLE", "hung-up"],
    [
      "refused dial",
      Object.assign(new Error("no"), { code: "ECONNREFUSED" }),
      "BROKER_UNAVAILABLE",
      "hung-up",
    ],
    ["bad subject", new nats.InvalidSubjectError("a b"), "BROKER_BAD_NAME", "misuse"],
    [
      "too large",
      new nats.InvalidArgumentError("'payload' max_payload size exceeded"),
      "BROKER_TOO_LARGE",
      "misuse",
    ],
  ])("%s", (_, error, code, conclusion) => {
    expect(toBrokerError(error, "test")).toMatchObject({ code, conclusion, cause: error });
  });

  it("name the key of a conflict", () => {
    const conflict = toBrokerError(api(10164), "write a.b", "a.b");
    expect(conflict).toBeInstanceOf(ConflictError);
    expect(conflict).toMatchObject({ key: "a.b" });
  });

  it("of ours pass as they are", () => {
    const error = new DeadlineError("x", 1);
    expect(toBrokerError(error, "test")).toBe(error);
  });
});
