// Requests that mean no good, family by family, with what each must be answered.
import { jsonRequest } from "./harness.ts";

export interface Hostile {
  readonly request: Request;
  readonly status: number;
  /** The field that the answer must name. */
  readonly field?: string;
}

type Family = (i: number) => Hostile;

/** One of a list, another one for each `i`. */
const pick = <T>(list: readonly T[], i: number): T => list[i % list.length];

const translate = (body: BodyInit, status: number, field?: string): Hostile => ({
  request: jsonRequest("/v1/translate", body),
  status,
  field,
});

const GOOD = '{"text":"Guten Morgen!","beam":3,"prefix":"Good"}';
const MEGABYTE = "a".repeat(1_000_000);
const DEEP = 50_000;
const encoder = new TextEncoder();

const wrongJson: Family = (i) =>
  i % 2 === 0
    ? translate(GOOD.slice(0, i % GOOD.length), 400)
    : translate(
        pick(["{'text':1}", "{text:1}", "NaN", "<xml/>", '{"text":"a"}}', "\u0000"], i),
        400,
      );

const hugeNumbers: Family = (i) => {
  const numbers = ["1e999", "-1e400", "99999999999999999999", "1.5", "-1", "0", "9".repeat(5000)];
  const field = pick(["beam", "nbest", "max_len", "min_len"], i);
  return translate(`{"text":"a","${field}":${pick(numbers, i)}}`, 422, field);
};

const hugeFloats: Family = (i) => {
  const field = pick(["lenpen", "temperature"], i);
  return translate(`{"text":"a","${field}":${pick(["1e999", "-1e308", "1e308"], i)}}`, 422, field);
};

const badCharacters: Family = (i) => {
  const escapes = ["\\ud800", "\\udfff\\ud800", "\\u0000", "\\u001b[31m", "\\u007f", "\\u0008"];
  const text = `"ab${pick(escapes, i)}c"`;
  const bodies = [
    [`{"text":${text}}`, "text"],
    [`{"text":["a",${text}]}`, "text[1]"],
    [`{"text":"a","prefix":${text}}`, "prefix"],
  ];
  const [body, field] = pick(bodies, Math.floor(i / escapes.length));
  return translate(body, 422, field);
};

const megabyteWords: Family = (i) => {
  const bodies: [string, number, string?][] = [
    [`{"text":"${MEGABYTE}"}`, 422, "text"],
    [`{"text":["a","${MEGABYTE}"]}`, 422, "text[1]"],
    [`{"text":"${MEGABYTE}${MEGABYTE}"}`, 413],
    [`{"text":"a","model":"${MEGABYTE}"}`, 422, "model"],
    [`{"text":"a","${MEGABYTE}":1}`, 422, `${MEGABYTE.slice(0, 61)}...`],
  ];
  return translate(...pick(bodies, i));
};

const deepNesting: Family = (i) => {
  const [open, close] = ["[".repeat(DEEP), "]".repeat(DEEP)];
  const objects = `${'{"a":'.repeat(DEEP)}1${"}".repeat(DEEP)}`;
  const bodies: [string, number, string?][] = [
    [open, 400],
    [`{"text":${open}${close}}`, 422, "text[0]"],
    [`{"text":${objects}}`, 422, "text"],
    [`{"text":"a","beam":${open}${close}}`, 422, "beam"],
    [objects, 422],
  ];
  return translate(...pick(bodies, i));
};

const wrongTypes: Family = (i) => {
  const bodies: [string, string][] = [
    ["{}", "text"],
    ['{"text":null}', "text"],
    ['{"text":5}', "text"],
    ['{"text":{}}', "text"],
    ['{"text":[]}', "text"],
    ['{"text":["a",null]}', "text[1]"],
    ['{"text":["a",["b"]]}', "text[1]"],
    ['{"text":"a","beam":"5"}', "beam"],
    ['{"text":"a","stream":1}', "stream"],
    ['{"text":"a","alignments":"yes"}', "alignments"],
    ["[]", "body"],
    ["null", "body"],
    ['"text"', "body"],
    ["5", "body"],
  ];
  const [body, field] = pick(bodies, i);
  return translate(body, 422, field);
};

const unknownFields: Family = (i) => {
  const key = pick(["baem", "__proto__", "constructor", "toString", "sampling", "TEXT"], i);
  return translate(`{"text":"a","${key}":{"x":1}}`, 422, key);
};

const notUtf8: Family = (i) => {
  const bytes = pick([[0xff], [0xc0, 0x80], [0xed, 0xa0, 0x80], [0xf0, 0x9f]], i);
  return translate(new Uint8Array([...encoder.encode('{"text":"'), ...bytes, 0x22, 0x7d]), 400);
};

const wrongHeaders: Family = (i) => {
  const json = { "content-type": "application/json" };
  const headers = pick<Record<string, string>>(
    [
      { "content-type": "text/plain" },
      { "content-type": "multipart/form-data; boundary=x" },
      { "content-type": "application/json; charset=utf-16" },
      { "content-type": `application/json${" ".repeat(5000)}x` },
      { ...json, "content-encoding": "gzip" },
    ],
    i,
  );
  return { request: jsonRequest("/v1/translate", GOOD, { headers }), status: 415 };
};

const tooManyTexts: Family = (i) => {
  const bodies = [
    JSON.stringify({ text: Array.from({ length: 65 }, () => "a") }),
    `{"text":[${"1,".repeat(300_000)}1]}`,
  ];
  return translate(bodies[i % 50 === 0 ? 1 : 0], 422, "text");
};

const unknownModels: Family = (i) => {
  const names = ["../../etc/passwd", "__proto__", "constructor", "fake\\u0000", "\\ud800", ""];
  return translate(`{"text":"a","model":"${pick(names, i)}"}`, 404, "model");
};

const contradictions: Family = (i) => {
  const bodies: [string, string][] = [
    ['{"text":"a","beam":2,"nbest":3}', "nbest"],
    ['{"text":"a","min_len":9,"max_len":8}', "min_len"],
  ];
  const [body, field] = pick(bodies, i);
  return translate(body, 422, field);
};

const wrongPlaces: Family = (i) => {
  const paths = ["/etc/passwd", "/%2e%2e/%2e%2e/x", "/v1//translate", "/%00", "/%ff%fe", "/v1/"];
  const path = i % 7 === 0 ? `/${"x".repeat(8000)}` : pick(paths, i);
  return { request: new Request(`http://weft.test${path}`), status: 404 };
};

const wrongMethods: Family = (i) => {
  const method = pick(["DELETE", "PUT", "PATCH", "PROPFIND", "GET"], i);
  return { request: new Request("http://weft.test/v1/score", { method }), status: 405 };
};

/** A body that breaks off, and one that never ends. */
function streamed(chunks: readonly string[], end: "break" | "stall", status: number): Hostile {
  const body = new ReadableStream<Uint8Array>({
    start(controller) {
      for (const chunk of chunks) controller.enqueue(encoder.encode(chunk));
      if (end === "break") controller.error(new Error("connection reset"));
    },
  });
  // Node's types, and so ours, do not know of `duplex`, without which streams are refused.
  const init: RequestInit = { headers: { "content-type": "application/json" } };
  return {
    request: jsonRequest("/v1/translate", body, { ...init, duplex: "half" } as RequestInit),
    status,
  };
}

const brokenBodies: Family = () => streamed(['{"text":'], "break", 400);
const slowBodies: Family = () => streamed(['{"te', 'xt":'], "stall", 408);

/** Families, and how many of a hundred requests each sends. */
const mix: readonly (readonly [Family, number])[] = [
  [wrongJson, 12],
  [hugeNumbers, 10],
  [hugeFloats, 6],
  [badCharacters, 18],
  [megabyteWords, 2],
  [deepNesting, 2],
  [wrongTypes, 14],
  [unknownFields, 8],
  [notUtf8, 4],
  [wrongHeaders, 6],
  [tooManyTexts, 2],
  [unknownModels, 4],
  [contradictions, 4],
  [wrongPlaces, 4],
  [wrongMethods, 2],
  [brokenBodies, 1],
  [slowBodies, 1],
];

const hundred: readonly Family[] = mix.flatMap(([family, times]) =>
  Array.from({ length: times }, () => family),
);

/** The i-th hostile request; the families take turns. */
export function hostileRequest(i: number): Hostile {
  // 37 has no divisor in common with 100: each hundred holds each family as often as it should.
  const family = hundred[(i * 37) % hundred.length];
  return family(Math.floor(i / hundred.length) * 7 + ((i * 37) % hundred.length));
}
