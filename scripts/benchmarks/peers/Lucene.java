import java.io.BufferedReader;
import java.io.IOException;
import java.io.InputStreamReader;
import java.io.PrintStream;
import java.io.StringReader;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.util.StringJoiner;
import org.apache.lucene.analysis.Analyzer;
import org.apache.lucene.analysis.en.EnglishAnalyzer;
import org.apache.lucene.document.Document;
import org.apache.lucene.document.Field;
import org.apache.lucene.document.FieldType;
import org.apache.lucene.document.StringField;
import org.apache.lucene.document.TextField;
import org.apache.lucene.index.DirectoryReader;
import org.apache.lucene.index.IndexWriter;
import org.apache.lucene.index.IndexWriterConfig;
import org.apache.lucene.index.Term;
import org.apache.lucene.queries.mlt.MoreLikeThis;
import org.apache.lucene.search.IndexSearcher;
import org.apache.lucene.search.Query;
import org.apache.lucene.search.ScoreDoc;
import org.apache.lucene.search.TermQuery;
import org.apache.lucene.search.TopDocs;
import org.apache.lucene.store.Directory;
import org.apache.lucene.store.FSDirectory;

/**
 * MoreLikeThis, line by line.
 *
 * <p>build FOLDER: reads "id TAB text"; answer FOLDER: reads "id TAB k TAB id" or "text TAB k TAB text", says ids with tabs between.
 */
public final class Lucene {
  private static final BufferedReader IN = new BufferedReader(new InputStreamReader(System.in, StandardCharsets.UTF_8));

  public static void main(String[] arguments) throws IOException {
    try (Directory folder = FSDirectory.open(Path.of(arguments[1])); Analyzer analyzer = new EnglishAnalyzer()) {
      if (arguments[0].equals("build")) {
        build(folder, analyzer);
      } else {
        answer(folder, analyzer);
      }
    }
  }

  private static void build(Directory folder, Analyzer analyzer) throws IOException {
    FieldType withTerms = new FieldType(TextField.TYPE_NOT_STORED);
    withTerms.setStoreTermVectors(true); // or MoreLikeThis would analyse the article's text again
    withTerms.freeze();
    try (IndexWriter writer = new IndexWriter(folder, new IndexWriterConfig(analyzer))) {
      for (String line = IN.readLine(); line != null; line = IN.readLine()) {
        String[] parts = line.split("\t", 2);
        Document article = new Document();
        article.add(new StringField("id", parts[0], Field.Store.YES));
        article.add(new Field("text", parts[1], withTerms));
        writer.addDocument(article);
      }
    }
  }

  private static void answer(Directory folder, Analyzer analyzer) throws IOException {
    PrintStream out = new PrintStream(System.out, false, StandardCharsets.UTF_8);
    try (DirectoryReader reader = DirectoryReader.open(folder)) {
      IndexSearcher searcher = new IndexSearcher(reader);
      MoreLikeThis likeThis = new MoreLikeThis(reader);
      likeThis.setFieldNames(new String[] {"text"});
      likeThis.setAnalyzer(analyzer);
      for (String line = IN.readLine(); line != null; line = IN.readLine()) {
        String[] parts = line.split("\t", 3);
        StringJoiner found = new StringJoiner("\t");
        Query query = parts[0].equals("id") ? ofArticle(searcher, likeThis, parts[2]) : likeThis.like("text", new StringReader(parts[2]));
        for (ScoreDoc hit : searcher.search(query, Integer.parseInt(parts[1])).scoreDocs) {
          found.add(searcher.doc(hit.doc).get("id"));
        }
        out.println(found);
        out.flush();
      }
    }
  }

  private static Query ofArticle(IndexSearcher searcher, MoreLikeThis likeThis, String id) throws IOException {
    TopDocs itself = searcher.search(new TermQuery(new Term("id", id)), 1);
    return likeThis.like(itself.scoreDocs[0].doc);
  }
}
