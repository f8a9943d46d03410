import { type ChildProcess, fork } from "node:child_process";
import { join } from "node:path";
import type { Heard, ListenerAnswer, ListenerOrder, ListenerRequest } from "./latency-listener.ts";

const ANSWER_MS = 30_000;

/** A listener in a process of its own. */
export class Listener {
  readonly #child: ChildProcess;

  private constructor(child: ChildProcess) {
    this.#child = child;
  }

  /** Listens when it is back. @throws Error with what it could not do */
  static async start(order: ListenerOrder): Promise<Listener> {
    const child = fork(join(import.meta.dirname, "latency-listener.ts"), { execArgv: ["--import", "tsx"] });
    const listener = new Listener(child);
    try {
      await listener.#ask(order, "ready");
      return listener;
    } catch (error) {
      child.kill();
      throw error;
    }
  }

  /** Ends it. Returns when it first heard of each name, and when its own process passed which stage. */
  async end(): Promise<{ readonly names: ReadonlyMap<string, number>; readonly stages: readonly Heard[] }> {
    const { names, stages } = await this.#ask({ type: "end" }, "heard");
    return { names: new Map(names), stages };
  }

  /** Of a publisher. */
  publish(name: string): void {
    this.#child.send({ type: "publish", name } satisfies ListenerRequest);
  }

  kill(): void {
    this.#child.kill();
  }

  #ask<T extends ListenerAnswer["type"]>(
    order: ListenerRequest,
    wanted: T,
  ): Promise<Extract<ListenerAnswer, { type: T }>> {
    const child = this.#child;
    return new Promise((resolve, reject) => {
      const timer = setTimeout(() => done(() => reject(new Error("a listener does not answer"))), ANSWER_MS);
      const onMessage = (answer: ListenerAnswer): void => {
        if (answer.type === wanted) done(() => resolve(answer as Extract<ListenerAnswer, { type: T }>));
        else done(() => reject(new Error(answer.type === "failed" ? answer.why : answer.type)));
      };
      const onExit = (): void => done(() => reject(new Error("a listener has ended")));
      const done = (then: () => void): void => {
        clearTimeout(timer);
        child.off("message", onMessage).off("exit", onExit);
        then();
      };
      child.on("message", onMessage).on("exit", onExit);
      child.send(order);
    });
  }
}
