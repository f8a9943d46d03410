import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { Smb2NatsError } from "../../../../src/base/errors.ts";
import { Command, encodeHeader, HeaderFlags } from "../../../../src/codec/header.ts";
import { encodeErrorResponse } from "../../../../src/codec/msg/error-response.ts";
import { encodeLeaseBreak } from "../../../../src/codec/msg/lease.ts";
import { NtStatus } from "../../../../src/codec/status.ts";
import { CreditAccount } from "../../../../src/smb/wire/credits.ts";
import { type InboundContext, receive } from "../../../../src/smb/wire/inbound.ts";
import { PendingTable } from "../../../../src/smb/wire/pending.ts";
import { Call, type PendingRequest } from "../../../../src/smb/wire/request.ts";
import type { SessionSecurity } from "../../../../src/smb/wire/security.ts";

interface Bench extends InboundContext {
  readonly delivered: PendingRequest[];
  readonly interims: PendingRequest[];
  readonly letters: string[];
  readonly recalls: Uint8Array[];
}

function bench(): Bench {
  const delivered: PendingRequest[] = [];
  const interims: PendingRequest[] = [];
  const letters: string[] = [];
  const recalls: Uint8Array[] = [];
  return {
    pending: new PendingTable(),
    credits: new CreditAccount(64),
    security: undefined,
    delivered,
    interims,
    letters,
    recalls,
    deliver: (request) => delivered.push(request),
    interim: (request) => interims.push(request),
    deadLetter: (_command, reason) => letters.push(reason),
    recalled: (key) => recalls.push(key) > 0 && key[0] === 7,
  };
}

/** A request that is out, under the next id. */
function ask(context: InboundContext, command: number, related = false): Call {
  const call = new Call({ command, body: new Uint8Array(0), related }, 1_000);
  context.credits.submit({
    charge: 1,
    messages: 1,
    send: (id) => {
      call.messageId = id;
      call.state = "sent";
      context.pending.add(call);
    },
  });
  return call;
}

/** Insists on signatures, and takes every signature for good. */
const SIGNING = { sessionId: 7n, signing: true, verify: () => true } as unknown as SessionSecurity;

/** The answers to a compound, in one frame. */
function compound(...messages: readonly Uint8Array[]): Uint8Array {
  return new Uint8Array(
    messages.flatMap((message, index) => {
      const last = index === messages.length - 1;
      const bytes = new Uint8Array(last ? message.length : Math.ceil(message.length / 8) * 8);
      bytes.set(message);
      if (!last) new DataView(bytes.buffer).setUint32(20, bytes.length, true);
      return [...bytes];
    }),
  );
}

function response(
  fields: Partial<Parameters<typeof encodeHeader>[0]>,
  body = encodeErrorResponse(),
): Uint8Array {
  const header = encodeHeader({
    command: Command.ECHO,
    credits: 1,
    ...fields,
    flags: 1 | (fields.flags ?? 0),
  });
  return new Uint8Array([...header, ...body]);
}

describe("receive path", () => {
  it("delivers by MessageId and Command, and books credits first", () => {
    const context = bench();
    const call = ask(context, Command.ECHO);
    receive(response({ credits: 33 }), context);
    expect(context.delivered).toEqual([call]);
    expect(context.credits.available).toBe(33);
    expect(context.pending.size).toBe(0);
  });

  it("takes an interim response once, then the final one with the same AsyncId", () => {
    const context = bench();
    const call = ask(context, Command.CHANGE_NOTIFY);
    const async_ = { command: Command.CHANGE_NOTIFY, flags: HeaderFlags.ASYNC_COMMAND, asyncId: 9n };
    receive(response({ ...async_, status: NtStatus.PENDING }), context);
    expect(context.interims).toEqual([call]);
    expect(() => receive(response({ ...async_, status: NtStatus.PENDING }), context)).toThrow(Smb2NatsError);
    receive(response({ ...async_, status: NtStatus.NOTIFY_ENUM_DIR, credits: 0 }), context);
    expect(context.delivered).toEqual([call]);
    expect(context.credits.available).toBe(1);
  });

  it("keeps a request in the table when its answer breaks the protocol, so that it can be failed", () => {
    const context = bench();
    const call = ask(context, Command.ECHO);
    context.credits.grant(1, false);
    expect(() => receive(response({ credits: 65_535 }), context)).toThrow(Smb2NatsError);
    expect(context.pending.drain()).toEqual([call]);
  });

  it("hands the late answer to an abandoned request to its orphan handler only", () => {
    const context = bench();
    const call = ask(context, Command.ECHO);
    context.pending.abandon(call);
    receive(response({}), context);
    expect(context.delivered).toEqual([]);
    expect(context.letters).toEqual(["abandoned"]);
    expect(() => receive(response({}), context)).toThrow("not outstanding");
  });

  describe("a lease that the server wants back", () => {
    const recall = (key: number): Uint8Array =>
      response(
        { command: Command.OPLOCK_BREAK, messageId: 0xffff_ffff_ffff_ffffn, credits: 0 },
        encodeLeaseBreak({
          newEpoch: 2,
          flags: 1,
          key: new Uint8Array(16).fill(key),
          currentState: 3,
          newState: 0,
        }),
      );

    it("is told to its owner, and is no answer to anything", () => {
      const context = bench();
      ask(context, Command.ECHO);
      receive(recall(7), context);
      expect(context.recalls.map(([first]) => first)).toEqual([7]);
      expect([context.letters, context.delivered, context.pending.size]).toEqual([[], [], 1]);
    });

    it("is nobody's when it is not known, and is not when it is an oplock", () => {
      const context = bench();
      receive(recall(8), context);
      const oplock = response(
        { command: Command.OPLOCK_BREAK, messageId: 0xffff_ffff_ffff_ffffn },
        new Uint8Array([24, 0, ...new Uint8Array(22)]),
      );
      receive(oplock, context);
      expect([context.letters, context.recalls.length]).toEqual([["unsolicited", "unsolicited"], 1]);
    });
  });

  describe("what follows a CREATE that an expired session refuses", () => {
    const expired = {
      command: Command.CREATE,
      status: NtStatus.NETWORK_SESSION_EXPIRED,
      flags: HeaderFlags.SIGNED,
    };
    const dragged = { command: Command.QUERY_INFO, status: NtStatus.INVALID_PARAMETER, messageId: 1n };

    it("may be unsigned, as Samba sends it", () => {
      const context = { ...bench(), security: SIGNING };
      const created = ask(context, Command.CREATE);
      const queried = ask(context, Command.QUERY_INFO, true);
      receive(compound(response(expired), response(dragged)), context);
      expect(context.delivered).toEqual([created, queried]);
    });

    it.each<[string, Parameters<typeof response>[0], Parameters<typeof response>[0], boolean]>([
      ["succeeds", { ...expired, status: NtStatus.SUCCESS }, dragged, true],
      ["is not signed", { ...expired, flags: 0 }, dragged, true],
      [
        "is unsolicited",
        { ...expired, command: Command.OPLOCK_BREAK, messageId: (1n << 64n) - 1n },
        dragged,
        true,
      ],
      ["is not related to it", expired, dragged, false],
      ["says anything else", expired, { ...dragged, status: NtStatus.SUCCESS }, true],
    ])("must be signed where one of them %s", (_what, first, second, related) => {
      const context = { ...bench(), security: SIGNING };
      ask(context, Command.CREATE);
      ask(context, Command.QUERY_INFO, related);
      expect(() => receive(compound(response(first), response(second)), context)).toThrow(Smb2NatsError);
    });
  });

  it("never throws anything but our own errors, and never delivers twice, whatever arrives", () => {
    fc.assert(
      fc.property(
        fc.uint8Array({ maxLength: 300 }),
        fc.array(fc.tuple(fc.nat(140), fc.nat(255)), { maxLength: 6 }),
        fc.boolean(),
        (noise, edits, pureNoise) => {
          const context = bench();
          ask(context, Command.ECHO);
          const bytes = pureNoise ? noise : new Uint8Array([...response({}), ...noise]);
          for (const [at, value] of edits) if (at < bytes.length) bytes[at] = value;
          try {
            receive(bytes, context);
          } catch (error) {
            expect(error).toBeInstanceOf(Smb2NatsError);
          }
          expect(context.delivered.length).toBeLessThanOrEqual(1);
        },
      ),
      { numRuns: 2_000 },
    );
  });
});
