export * from './edge.ts'
export { type Environment, isProduction, readEnv, requireEnv } from './env.ts'
export { consoleLogger, createLogger, type Logger, type LogMethod } from './logger.ts'
export { mask, maskText } from './mask.ts'
