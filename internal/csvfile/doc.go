// Package csvfile reads the CSV files that people have: in any of the common
// character sets, separators and line ends, in bounded memory. A line that cannot
// be read costs that line only.
//
// encoding/csv does the same for well-formed files. It is not used because it
// knows no line end but LF and CRLF, and reads to the end of the file where a
// quotation mark is not closed.
package csvfile
