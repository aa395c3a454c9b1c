import { UserError } from "../../src/config/user_error.ts";
import { message } from "../membership/messages.ts";
import { addressText } from "../transport/address_text.ts";
import { openTransport } from "../transport/open_transport.ts";
import type { Security } from "../transport/security.ts";
import type { Address } from "../transport/transport.ts";
import { encodeControl } from "../wire/encode_control.ts";
import { type FrameSink, MAX_CONTROL, ProtocolError } from "../wire/frame.ts";
import { FrameReader } from "../wire/frame_reader.ts";
import { ArrivingText, type TextPart } from "../wire/text_parts.ts";
import { type StatusReport, statusReport } from "./status_report.ts";

/** Milliseconds that a peer may take to answer. */
const PATIENCE = 5000;

/** Asks any peer of a job how it is. @throws UserError if there is none, or it does not answer. */
export async function askStatus(address: Address, security: Security): Promise<StatusReport> {
  const answer = Promise.withResolvers<StatusReport>();
  const text = new ArrivingText();
  const sink: FrameSink = {
    place() {
      throw new ProtocolError("it sends data");
    },
    arrived: () => undefined,
    control(document) {
      text.add(reportIn(document));
      const { whole } = text;
      if (whole !== undefined) answer.resolve(statusReport.parse(JSON.parse(whole)));
    },
    closed: (reason) =>
      answer.reject(new Error(reason ?? "it closed the connection without an answer")),
  };
  const seconds = PATIENCE / 1000;
  const late = setTimeout(
    () => answer.reject(new Error(`it does not answer within ${seconds} s`)),
    PATIENCE,
  );
  try {
    const connection = await openTransport(security).connect(address, (opened) => {
      opened.send([encodeControl({ t: "status" })]);
      return new FrameReader(sink, { maxControl: MAX_CONTROL });
    });
    try {
      return await answer.promise;
    } finally {
      connection.close();
    }
  } catch (error) {
    const place = addressText(address);
    throw new UserError({
      place,
      problem: `tells no job's status (${(error as Error).message.replace(`${place}: `, "")})`,
      remedy:
        "give the address of a peer that has begun to train, as its first log lines tell it, and the same " +
        "--tls-* or --cluster-secret-file flags as the peers'",
    });
  } finally {
    clearTimeout(late);
  }
}

/** @throws ProtocolError if it is something else. */
function reportIn(document: unknown): TextPart {
  const { data } = message.safeParse(document);
  if (data?.t === "refuse") throw new ProtocolError(data.reason);
  if (data?.t !== "report") throw new ProtocolError("it answers something else");
  return data;
}
