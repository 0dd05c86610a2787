export * from './edge.ts'
export { canonicalEmail } from './email-address.ts'
export { type Environment, isProduction, readEnv, requireEnv } from './env.ts'
export {
  consoleLogger,
  createLogger,
  type Logger,
  type LogMethod,
  mask,
  maskText,
} from './logger.ts'
