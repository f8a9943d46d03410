import type { IncomingMessage } from "node:http";
import type { Socket } from "node:net";
import { WebSocket } from "ws";
import { type Deferred, deferred, waitFor } from "../../base/async.ts";
import { Smb2NatsError } from "../../base/errors.ts";

/** As much of a frame as the check reads. */
export type Frame = Readonly<Record<string, unknown>> & { readonly type: string };

/** The handshake was answered with something else than an upgrade, or not at all. */
export class HandshakeError extends Smb2NatsError {
  /** Of the HTTP answer, where there was one. */
  readonly status: number | undefined;
  /** Beginning of its body. */
  readonly body: string;
  constructor(message: string, status?: number, body = "", cause?: unknown) {
    super("HANDSHAKE", status === undefined ? "silent" : "refused", message, { cause });
    this.status = status;
    this.body = body;
  }
}

/** The gateway hung up. */
export class HungUpError extends Smb2NatsError {
  readonly closeCode: number;
  constructor(code: number, reason: string) {
    super("HUNG_UP", "hung-up", `the gateway closed with ${code}${reason === "" ? "" : ` (${reason})`}`);
    this.closeCode = code;
  }
}

export interface ProbeOptions {
  readonly url: string;
  readonly token: string | undefined;
  readonly origin: string | undefined;
  readonly timeoutMs: number;
  readonly signal: AbortSignal;
}

const LONGEST_BODY = 300;
const SUBPROTOCOL = "smb2nats.v1";

/** One WebSocket to a gateway: requests by `id`, and everything else by its frames. */
export class GatewayProbe {
  readonly #socket: WebSocket;
  readonly #timeoutMs: number;
  readonly #signal: AbortSignal;
  readonly #answers = new Map<number, Deferred<Frame>>();
  readonly #listeners = new Set<(frame: Frame) => void>();
  readonly #gone: Deferred<never> = deferred();
  #next = 1;
  #peerAddress: string | undefined;

  /** @throws HandshakeError, AbortedError */
  static async open(options: ProbeOptions): Promise<GatewayProbe> {
    const { url, token, origin, timeoutMs, signal } = options;
    const opened = deferred<void>();
    const socket = new WebSocket(url, [SUBPROTOCOL], {
      handshakeTimeout: timeoutMs,
      perMessageDeflate: false,
      maxPayload: 16 * 1024 * 1024,
      ...(origin === undefined ? {} : { origin }),
      // Redirects are not followed: the token would go along.
      followRedirects: false,
      headers: token === undefined ? {} : { authorization: `Bearer ${token}` },
    });
    const probe = new GatewayProbe(socket, options);
    socket.once("open", () => opened.resolve());
    socket.on("unexpected-response", (request, response) => {
      void readBody(response).then((body) => {
        const { statusCode = 0, headers } = response;
        const where = headers.location === undefined ? "" : ` to ${headers.location}`;
        opened.reject(new HandshakeError(`answered ${statusCode}${where}`, statusCode, body));
        request.destroy();
      });
    });
    socket.on("error", (error) => opened.reject(new HandshakeError(error.message, undefined, "", error)));
    try {
      await waitFor(opened.promise, { signal, deadlineMs: timeoutMs + 1_000, what: url });
      return probe;
    } catch (error) {
      socket.terminate();
      throw error;
    }
  }

  private constructor(socket: WebSocket, { signal, timeoutMs }: ProbeOptions) {
    this.#socket = socket;
    this.#signal = signal;
    this.#timeoutMs = timeoutMs;
    this.#gone.promise.catch(() => undefined);
    socket.on("upgrade", (response) => {
      this.#peerAddress = (response.socket as Socket).remoteAddress;
    });
    socket.on("message", (data, isBinary) => {
      if (!isBinary) this.#heard(String(data));
    });
    socket.on("close", (code, reason) => this.#gone.reject(new HungUpError(code, String(reason))));
  }

  /** Of whoever took our TCP connection: a proxy, or the gateway. */
  get peerAddress(): string | undefined {
    return this.#peerAddress;
  }

  /** @throws HungUpError, DeadlineError, AbortedError. An `error` frame is an answer. */
  async ask(request: object): Promise<Frame> {
    const id = this.#next++;
    const answer = deferred<Frame>();
    this.#answers.set(id, answer);
    try {
      this.#socket.send(JSON.stringify({ ...request, id }));
      return await this.#wait(answer.promise, "an answer");
    } finally {
      this.#answers.delete(id);
    }
  }

  /** The next frame that `wanted` likes. Ask for it before causing it. @throws as `ask` */
  async expect(wanted: (frame: Frame) => boolean, what: string): Promise<Frame> {
    const found = deferred<Frame>();
    const listener = (frame: Frame): void => {
      if (wanted(frame)) found.resolve(frame);
    };
    this.#listeners.add(listener);
    try {
      return await this.#wait(found.promise, what);
    } finally {
      this.#listeners.delete(listener);
    }
  }

  close(): void {
    this.#socket.close(1000);
    // A gateway that does not answer the close frame has the time-out's time, then the process is gone.
    setTimeout(() => this.#socket.terminate(), 1_000).unref();
  }

  #wait<T>(promise: Promise<T>, what: string): Promise<T> {
    const wait = { signal: this.#signal, deadlineMs: this.#timeoutMs, what };
    return waitFor(Promise.race([promise, this.#gone.promise]), wait);
  }

  #heard(text: string): void {
    let frame: unknown;
    try {
      frame = JSON.parse(text);
    } catch {
      return;
    }
    if (typeof frame !== "object" || frame === null || typeof Reflect.get(frame, "type") !== "string") return;
    const { id } = frame as { id?: unknown };
    if (typeof id === "number") this.#answers.get(id)?.resolve(frame as Frame);
    for (const listener of this.#listeners) listener(frame as Frame);
  }
}

async function readBody(response: IncomingMessage): Promise<string> {
  let text = "";
  try {
    for await (const chunk of response) {
      text += String(chunk);
      if (text.length > LONGEST_BODY) break;
    }
  } catch {
    // What came is enough.
  }
  return text.slice(0, LONGEST_BODY).trim();
}
