/**
 * Shared by the commands of all packages: the host's folder, its environment files and its configuration.
 *
 * @module
 */

export { findConfig, type Host, loadConfig, openHost } from './config-file.ts'
export { readEnvFiles } from './env-files.ts'
