"""What is kept, as files for spreadsheets, analysis and maps: CSV, Parquet and GeoJSON."""
