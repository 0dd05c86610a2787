export {
  ArgumentError,
  optional,
  requireDate,
  requireId,
  requireLimit,
  requireOptions,
} from './arguments.ts'
export * from './edge.ts'
export { type Environment, isProduction, readEnv, requireEnv } from './env.ts'
export {
  consoleLogger,
  createLogger,
  type Logger,
  type LogMethod,
  mask,
  maskText,
} from './logger.ts'
