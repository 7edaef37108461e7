/** The figures as they are printed at the end of a run, and after each group of rows. */
import { barText, isMet, numberText, type RowResult } from '../results.ts'

export function consoleTable(rows: readonly RowResult[]): string {
  return rows.flatMap(linesOf).join('\n')
}

function linesOf({ row, title, figures, notes, failure }: RowResult): string[] {
  return [
    `${row}. ${title}`,
    ...figures.map((figure) => {
      const met = isMet(figure)
      const verdict = met === undefined ? '' : met ? 'met' : 'NOT MET'
      const value = `${numberText(figure.value)} ${figure.unit}`
      return `   ${figure.what.padEnd(52)} ${value.padStart(18)}  ${barText(figure).padEnd(16)} ${verdict}`.trimEnd()
    }),
    ...notes.map((note) => `   ${note}`),
    ...(failure === undefined ? [] : [`   not measured: ${failure}`]),
  ]
}
