/**
 * Logging without a logging library: a structural type that pino and wrappers of `console` fit, and a mask
 * that keeps secrets and e-mail addresses out of the log. Logging never throws, because a throw would end the
 * request or the error handler that logs.
 *
 * @module
 */

import { mask } from './mask.ts'

/** The first argument holds ids, amounts and state changes; the second is a sentence. */
export type LogMethod = (fields: object, message?: string) => void

/** The part of pino's interface that the packages use. */
export interface Logger {
  /** Steps that help to find a fault. */
  debug: LogMethod
  /** A normal event. */
  info: LogMethod
  /** An event that a person should look at some day; alerts, too. */
  warn: LogMethod
  /** What failed. */
  error: LogMethod
}

/**
 * Wraps `sink` so that everything it receives is masked. Every package wraps the host's logger with it. If
 * the sink throws or rejects, the entry is lost and the failure is reported on standard error.
 */
export function createLogger(sink: Logger = consoleLogger): Logger {
  const through =
    (level: keyof Logger): LogMethod =>
    (fields, message) => {
      try {
        const entry = [mask(fields) as object, ...(message === undefined ? [] : [textOf(message)])]
        const written: unknown = sink[level](...(entry as [object, string?]))
        if (written instanceof Promise) written.catch(report)
      } catch (error) {
        report(error)
      }
    }
  return {
    debug: through('debug'),
    info: through('info'),
    warn: through('warn'),
    error: through('error'),
  }
}

/** A caller in JavaScript can pass anything as the message. */
const textOf = (message: unknown): string => {
  const masked = mask(message)
  return typeof masked === 'string' ? masked : JSON.stringify(masked)
}

function report(error: unknown): void {
  print('error', { error: mask(error) }, 'The logger could not write an entry.')
}

/**
 * Writes each entry as one line of JSON to standard error and drops `debug`. It does not mask: see
 * `createLogger`.
 */
export const consoleLogger: Logger = {
  debug() {},
  info: (fields, message) => print('info', fields, message),
  warn: (fields, message) => print('warn', fields, message),
  error: (fields, message) => print('error', fields, message),
}

function print(level: string, fields: object, message?: string): void {
  const line = { level, time: new Date().toISOString(), msg: message, ...fields }
  process.stderr.write(`${jsonOf(line)}\n`)
}

function jsonOf(line: object): string {
  try {
    return JSON.stringify(line)
  } catch {
    // The mask turns values that JSON cannot express into values that it can.
    return JSON.stringify(mask(line))
  }
}
