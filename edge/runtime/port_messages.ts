// What a translator in another thread and its user say to each other.
import type { UserError } from "../../src/config/user_error.ts";
import type { Manifest } from "./manifest.ts";
import type { EdgeTranslator, RequestOptions } from "./translator.ts";

/** One end of a channel: a Worker, or a worker's own global scope. */
export interface Port {
  postMessage(message: unknown): void;
  addEventListener(type: "message", listener: (event: { readonly data: unknown }) => void): void;
}

/** Options without what cannot be sent. */
export type SentOptions = Omit<RequestOptions, "signal" | "onPartial">;

export type Call = {
  readonly id: number;
  readonly partials: boolean;
  readonly options: SentOptions;
} & (
  | { readonly kind: "translate" | "generate"; readonly text: string }
  | { readonly kind: "score"; readonly source: string; readonly target: string }
);

export type Request =
  | Call
  | { readonly kind: "abort"; readonly id: number }
  | { readonly kind: "close" };

/** An error as it is sent: what the other end throws is of the same kind. */
export type Failure =
  | { readonly kind: "user" | "memory"; readonly detail: UserError["detail"] }
  | { readonly kind: "internal"; readonly message: string };

export type Reply =
  | {
      readonly kind: "ready";
      readonly manifest: Manifest;
      readonly maxSourceTokens: number;
      readonly engine: string;
      readonly memory: EdgeTranslator["memory"];
    }
  | { readonly kind: "refused"; readonly failure: Failure }
  | { readonly kind: "partial"; readonly id: number; readonly text: string }
  | { readonly kind: "failed"; readonly id: number; readonly failure: Failure }
  | {
      readonly kind: "done";
      readonly id: number;
      readonly result: unknown;
      readonly memory: EdgeTranslator["memory"];
    };
