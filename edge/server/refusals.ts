// The problems that do not lie in a field's value, one function each.
import { didYouMean } from "../../src/config/nearest.ts";
import { Problem, quoted } from "./problem.ts";

const retryAfter = (seconds: number) => ({ "retry-after": String(seconds) });

/** All places where a request may wait are taken. */
export function queueFull(waiting: number, seconds: number): Problem {
  const message = `${waiting} requests are waiting already`;
  const remedy = `send it again in ${seconds} s`;
  return new Problem(429, { code: "queue_full", message, remedy }, retryAfter(seconds));
}

export function tooManyUploads(most: number): Problem {
  const message = `${most} bodies are being read already`;
  const remedy = "send it again in a second";
  return new Problem(429, { code: "too_many_uploads", message, remedy }, retryAfter(1));
}

/** 408 and not 504: the time is a limit of the request, as its length is. */
export function deadlinePassed(seconds: number): Problem {
  const message = `the request took longer than ${seconds} s`;
  const remedy = "send shorter texts, fewer of them, or a smaller beam";
  return new Problem(408, { code: "deadline", message, remedy });
}

export function slowUpload(seconds: number): Problem {
  const message = `the body did not arrive within ${seconds} s`;
  const remedy = "send the body at once";
  return new Problem(408, { code: "slow_body", message, remedy });
}

/** Nobody reads this answer; 499 is what the metrics count it as. */
export function clientGone(): Problem {
  const message = "the client went away";
  return new Problem(499, { code: "client_gone", message, remedy: "stay until the answer comes" });
}

export function brokenUpload(): Problem {
  const message = "the body broke off";
  return new Problem(400, { code: "broken_body", message, remedy: "send the whole body" });
}

export function bodyTooLarge(bytes: number): Problem {
  const message = `the body is longer than ${bytes} bytes`;
  const remedy = "send fewer or shorter texts in a request";
  return new Problem(413, { code: "body_too_large", message, remedy });
}

export function wrongContentType(given: string | null): Problem {
  const message = given === null ? "there is no content-type" : `content-type is ${quoted(given)}`;
  const remedy = "send JSON in UTF-8 with the header content-type: application/json";
  return new Problem(415, { code: "wrong_content_type", message, remedy });
}

export function encodedBody(encoding: string): Problem {
  const message = `content-encoding is ${quoted(encoding)}`;
  const remedy = "send the body as it is, not compressed";
  return new Problem(415, { code: "encoded_body", message, remedy });
}

export function notUtf8(): Problem {
  const message = "the body is not UTF-8";
  return new Problem(400, { code: "not_utf8", message, remedy: "send the body in UTF-8" });
}

export function notJson(why: string): Problem {
  const message = `the body is not JSON: ${why.slice(0, 200).toWellFormed()}`;
  const remedy = `send an object such as {"text": "Hello"}`;
  return new Problem(400, { code: "not_json", message, remedy });
}

export function notAuthorized(): Problem {
  const message = "the bearer token is missing or is none of this server's";
  const remedy = "send the header authorization: Bearer TOKEN";
  return new Problem(401, { code: "not_authorized", message, remedy });
}

export function noSuchRoute(path: string, routes: readonly string[]): Problem {
  const message = `there is nothing at ${quoted(path)}`;
  const list = `use one of ${routes.join(", ")}`;
  const remedy = path.length > 64 ? list : didYouMean(path, routes, list);
  return new Problem(404, { code: "no_such_route", message, remedy });
}

export function wrongMethod(method: string, path: string, allowed: readonly string[]): Problem {
  const message = `${path} does not take ${quoted(method)}`;
  const remedy = `use ${allowed.join(" or ")}`;
  return new Problem(405, { code: "wrong_method", message, remedy }, { allow: allowed.join(", ") });
}

export function unknownModel(name: string, names: readonly string[]): Problem {
  const message = `there is no model ${quoted(name)}`;
  const list = `use one of ${names.join(", ")}`;
  const remedy = name.length > 64 ? list : didYouMean(name, names, list);
  return new Problem(404, { code: "unknown_model", message, field: "model", remedy });
}

export function modelNotNamed(names: readonly string[]): Problem {
  const message = `is missing, and ${names.length} models are loaded`;
  const remedy = `give one of ${names.join(", ")}`;
  return new Problem(422, { code: "model_not_named", message, field: "model", remedy });
}

export function noModel(): Problem {
  return notReady("no model is loaded yet");
}

/** Whatever computes for it has broken down, and its successor is not there yet. */
export function brokenModel(name: string): Problem {
  return notReady(`${quoted(name)} has broken down and is being started again`);
}

function notReady(message: string): Problem {
  const remedy = "try again when /readyz answers 200";
  return new Problem(503, { code: "not_ready", message, remedy }, retryAfter(5));
}

export function draining(): Problem {
  const message = "this server is about to stop and takes nothing new";
  const remedy = "send it to another server, or again in 5 s";
  return new Problem(503, { code: "draining", message, remedy }, retryAfter(5));
}
