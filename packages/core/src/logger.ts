/**
 * Logging without an opinion: a structural type that pino and `console` wrappers fit, and a mask
 * that keeps secrets and e-mail addresses out of whatever is behind it. Logging never throws: it stands
 * in requests and in handlers of errors, which would end by it.
 *
 * @module
 */

import { mask } from './mask.ts'

/** The first argument holds ids, amounts and transitions; the second is a sentence. */
export type LogMethod = (fields: object, message?: string) => void

/** pino's calling convention, as far as it is used here. */
export interface Logger {
  debug: LogMethod
  info: LogMethod
  warn: LogMethod
  error: LogMethod
}

/**
 * `sink` behind the mask. Every package puts the host's logger through this. A sink that throws, or whose
 * promise is rejected, loses its entry and is reported on standard error.
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

/** Callers in JavaScript give anything as the message. */
const textOf = (message: unknown): string => {
  const masked = mask(message)
  return typeof masked === 'string' ? masked : JSON.stringify(masked)
}

function report(error: unknown): void {
  print('error', { error: mask(error) }, 'The logger could not write an entry.')
}

/** One JSON line an entry, on standard error, `debug` left out. Not masked: see `createLogger`. */
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
    // What JSON cannot say, the mask says in another way.
    return JSON.stringify(mask(line))
  }
}
