export { handle } from './lib/session'
