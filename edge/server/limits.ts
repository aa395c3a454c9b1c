// What a server takes on: how much at a time, how long, how large. Also the flags of `weft serve`.
import * as z from "zod";

const seconds = z.number().positive().max(86_400);

export const limits = z.strictObject({
  max_concurrent: z
    .int()
    .min(1)
    .default(8)
    .describe("requests that run at the same time and share the decoder's steps"),
  max_queue: z
    .int()
    .min(0)
    .default(64)
    .describe("requests that wait for their turn; further ones are refused"),
  max_uploads: z
    .int()
    .min(1)
    .default(256)
    .describe("bodies that are read at the same time; further requests are refused"),
  deadline: seconds.default(60).describe("seconds for a request, its wait included"),
  upload_deadline: seconds.default(10).describe("seconds for a request's body to arrive"),
  max_body_bytes: z.int().min(1024).default(1_048_576).describe("longest body of a request"),
  max_texts: z.int().min(1).default(64).describe("texts of a request"),
  max_text_length: z
    .int()
    .min(1)
    .default(20_000)
    .describe("longest text, in UTF-16 units (most characters are one)"),
  max_beam: z.int().min(1).default(16).describe("widest beam that a request may ask for"),
  max_output_tokens: z.int().min(1).default(500).describe("largest max_len of a request"),
});

export type Limits = z.output<typeof limits>;
