"""What a person looks at: figures, and the reports and pages made of them."""
