/** What a transport bears before it knows who is at the other end. */
export interface Limits {
  /** How long dialling may take, and proving who one is, each in milliseconds. */
  readonly patience: number;
  /** Connections of a listener that may be unproven at a time; more are closed at once. */
  readonly unproven: number;
}

export const defaultLimits: Limits = { patience: 5000, unproven: 64 };
