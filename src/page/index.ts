/** The small page of a quickstart: recovery points, what is in them, and download of a file. */
export { pageError } from './errors.ts'
export { type PageOptions, type RunningPage, startPage } from './page.ts'
