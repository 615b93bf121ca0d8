"""Recognize the headings that newsrooms write over hand-made lists, and the headlines under them."""

import re
from collections.abc import Mapping

HEADINGS = {
    "en": """
        read more, read also, also read, read next, see also, further reading, read this next, read this, more on this,
        more on this story, more on this topic, read more on this topic, read more about this, related, related article,
        related articles, related content, related coverage, related links, related news, related posts, related post,
        related reading, related stories, related story, related topics, you may also like, you might also like,
        you may also be interested in, recommended reading, in related news, must read
    """,
    "de": """
        lesen sie auch, lies auch, siehe auch, weiterlesen, mehr dazu, mehr zum thema, zum thema, lesen sie hierzu,
        lesen sie hierzu auch, lesen sie dazu, lesen sie dazu auch, lesen sie mehr, lesen sie mehr auch, lesen sie weiter,
        auch interessant, das könnte sie auch interessieren, das könnte dich auch interessieren, verwandte artikel,
        ähnliche artikel, weitere artikel, mehr lesen, passend zum thema, mehr zu diesem thema, lesetipp
    """,
    "fr": """
        à lire, a lire, lire aussi, à lire aussi, a lire aussi, lire également, à lire également,
        a lire également, voir aussi,
        sur le même sujet, sur le même thème, pour aller plus loin, articles liés, lire la suite, lire plus, en savoir plus,
        à voir aussi, articles similaires, articles connexes, à découvrir aussi, lisez aussi, lisez également, à relire
    """,
    "es": """
        lea también, lee también, leé también, leer también, ver también, lee más, lea más, leer más, te puede interesar,
        le puede interesar, te podría interesar, también te puede interesar, noticias relacionadas, artículos relacionados,
        artículo relacionado, noticia relacionada, contenido relacionado, vea también, mira también, más información,
        más sobre este tema, sigue leyendo, seguir leyendo
    """,
    "it": """
        leggi anche, leggete anche, vedi anche, per approfondire, articoli correlati, articolo correlato,
        potrebbe interessarti, potrebbe interessarti anche, ti potrebbe interessare, ti potrebbe interessare anche,
        leggi di più, continua a leggere, notizie correlate, guarda anche, da leggere
    """,
    "pt": """
        leia também, leia mais, veja também, saiba mais, notícias relacionadas, artigos relacionados, ler também,
        ler mais, ver também, notícia relacionada, artigo relacionado, você também pode gostar, matérias relacionadas,
        conteúdo relacionado, continue lendo, confira também
    """,
    "nl": """
        lees ook, lees verder, lees meer, zie ook, meer over dit onderwerp, gerelateerde artikelen, gerelateerd artikel,
        lees hier meer, lees hier ook, verder lezen, bekijk ook, ook interessant, meer lezen, gerelateerd nieuws
    """,
    "sv": """
        läs också, läs även, läs mer, läs vidare, se också, se även, relaterade artiklar, relaterad artikel, relaterat,
        mer läsning, mer om ämnet, fler artiklar, läs mer om ämnet
    """,
    "da": """
        læs også, læs mere, læs videre, se også, relaterede artikler, relateret artikel, relateret, læs artiklen,
        mere om emnet, læs mere om emnet
    """,
    "nb": """
        les også, les mer, les videre, se også, relaterte artikler, relaterte saker, relatert artikkel, relatert, les saken,
        mer om temaet, lese mer, flere saker
    """,
    "nn": "les òg, les meir, sjå også, sjå òg, relaterte artiklar",
    "fi": """
        lue myös, lue lisää, katso myös, lue seuraavaksi, aiheeseen liittyvää,
        aiheeseen liittyviä artikkeleita, jatka lukemista,
        lisää aiheesta, liittyvät artikkelit, lue aiheesta lisää
    """,
    "is": """
        lesa meira, lestu meira, lestu einnig, lesið einnig, sjá einnig, lesa einnig, tengdar fréttir,
        tengt efni, tengdar greinar
    """,
    "pl": """
        czytaj też, czytaj także, czytaj również, czytaj więcej, czytaj dalej, przeczytaj też, przeczytaj także,
        przeczytaj również, przeczytaj więcej, zobacz też, zobacz także, zobacz również, zobacz więcej, powiązane artykuły,
        powiązane, podobne artykuły, warto przeczytać, polecamy także, więcej na ten temat, sprawdź także, sprawdź też
    """,
    "cs": """
        čtěte také, čtěte též, čtěte i, čtěte více, přečtěte si také, přečtěte si více, přečtěte si i, číst dál, číst více,
        viz také, podívejte se také, související články, související, související zprávy, mohlo by vás zajímat, více k tématu
    """,
    "sk": """
        čítajte tiež, čítajte aj, čítajte viac, čítajte ďalej, prečítajte si tiež, prečítajte si aj, prečítajte si viac,
        čítať viac, čítať ďalej, pozri tiež, pozrite si aj, súvisiace články, súvisiace, súvisiaci článok, viac k téme,
        mohlo by vás zaujímať
    """,
    "sl": """
        preberite tudi, preberite še, preberite več, beri tudi, beri še, beri več, berite tudi, poglejte tudi, glej tudi,
        sorodni članki, povezani članki, sorodne novice, povezane novice, več o tem
    """,
    "hr": """
        pročitajte i, pročitajte još, pročitajte više, pročitaj i, pročitaj više, čitajte i, čitajte također, čitaj više,
        pogledajte i, vidi također, vidi i, povezani članci, povezane vijesti, slični članci, vezane vijesti, više o temi,
        opširnije
    """,
    "sr": """
        прочитајте и, прочитајте још, прочитајте више, прочитај и, читајте и, читај више, погледајте и, види још, види и,
        повезани чланци, повезане вести, слични чланци, pročitajte takođe, povezane vesti, slične vesti, opširnije, опширније
    """,
    "bs": "pročitajte također, pročitaj još, pogledajte također, povezani tekstovi",
    "bg": """
        прочетете още, прочетете и, прочетете също, прочети още, прочети повече, прочетете повече, четете още, четете също,
        чети още, вижте още, вижте също, виж още, виж също, свързани статии, свързани новини, още по темата, подобни статии
    """,
    "mk": """
        прочитајте повеќе, прочитај повеќе, прочитај и, прочитајте и, погледнете и, поврзани статии,
        поврзани вести, види повеќе
    """,
    "uk": """
        читайте також, читайте ще, читайте більше, читати також, читати більше, читати далі, читайте далі, дивіться також,
        дивіться ще, див. також, пов'язані статті, пов’язані статті, пов'язані новини, схожі статті, схожі новини, за темою,
        більше за темою, матеріали за темою
    """,
    "be": """
        чытайце таксама, чытайце яшчэ, чытаць далей, чытаць больш, глядзіце таксама, па тэме,
        звязаныя артыкулы, падобныя артыкулы
    """,
    "ru": """
        читайте также, читайте ещё, читайте еще, читать также, читать далее, читать ещё, читать еще, читать больше,
        читать подробнее, подробнее, смотрите также, смотрите ещё, см. также, по теме, материалы по теме, статьи по теме,
        новости по теме, похожие статьи, похожие новости, связанные статьи, связанные новости,
        похожие материалы, ещё по теме,
        еще по теме
    """,
    "ro": """
        citește și, citeşte şi, citiți și, citiţi şi, citeste si, citește mai mult, citeşte mai mult, citește mai departe,
        citește în continuare, vezi și, vezi şi, vezi si, articole similare, articole înrudite, articole conexe,
        știri similare, pe aceeași temă
    """,
    "hu": """
        olvassa el, olvassa el ezt is, olvassa el még, olvasd el ezt is, olvasd el, olvasson tovább, olvass tovább,
        további cikkek, tovább olvasom, kapcsolódó cikkek, kapcsolódó cikk, kapcsolódó, kapcsolódó hírek, kapcsolódó anyagok,
        lásd még, nézze meg ezt is, ez is érdekelheti, ezt is olvasta már, bővebben, további hírek, olvass még
    """,
    "el": """
        διαβάστε επίσης, διαβαστε επισης, διαβάστε ακόμη, διαβάστε ακόμα, διαβάστε περισσότερα,
        διαβαστε περισσοτερα, διάβασε επίσης,
        διάβασε ακόμα, διαβάστε και, δείτε επίσης, δειτε επισης, δείτε ακόμη, δείτε ακόμα, δείτε και,
        σχετικά άρθρα, σχετικα αρθρα,
        σχετικό άρθρο, σχετικά νέα, σχετικές ειδήσεις
    """,
    "tr": """
        ayrıca okuyun, ayrıca oku, bunu da okuyun, bunları da okuyun, şunu da okuyun, devamını oku, devamını okuyun,
        daha fazla oku, daha fazla bilgi, daha fazlasını okuyun, okumaya devam et, ayrıca bakınız,
        ayrıca bkz, bakınız, ilgili haberler,
        ilgili haber, ilgili yazılar, ilgili makaleler, ilgili içerikler, benzer haberler, benzer yazılar
    """,
    "az": """
        həmçinin oxuyun, bunu da oxuyun, daha ətraflı, ətraflı oxuyun, həmçinin baxın, oxşar xəbərlər,
        əlaqəli xəbərlər
    """,
    "lt": """
        skaitykite taip pat, taip pat skaitykite, skaitykite daugiau, skaityti daugiau, skaityk daugiau, skaitykite toliau,
        taip pat žiūrėkite, susiję straipsniai, susijusios naujienos, panašūs straipsniai, daugiau šia tema
    """,
    "lv": """
        lasi arī, lasiet arī, lasīt arī, lasi vairāk, lasiet vairāk, lasīt vairāk, lasīt tālāk, skatīt arī, skaties arī,
        skatiet arī, saistītie raksti, saistītās ziņas, līdzīgi raksti, vairāk par tēmu
    """,
    "et": """
        loe ka, loe lisaks, loe veel, loe lähemalt, loe rohkem, loe edasi, vaata ka, vaata lisaks,
        seotud artiklid, seotud uudised,
        seotud lood, sarnased artiklid
    """,
    "ca": """
        llegiu també, llegeix també, llegir més, llegeix més, llegiu més, vegeu també, vegi també, mireu també,
        articles relacionats, notícies relacionades, et pot interessar, continua llegint
    """,
    "gl": """
        le tamén, lea tamén, ler tamén, ler máis, le máis, ver tamén, artigos relacionados,
        novas relacionadas, pode interesarche
    """,
    "eu": """
        irakurri ere, irakurri gehiago, irakurri halaber, ikusi ere, ikus gainera,
        erlazionatutako artikuluak, lotutako albisteak
    """,
    "sq": """
        lexo edhe, lexoni edhe, lexo më shumë, lexoni më shumë, lexo gjithashtu, shiko edhe, shihni edhe,
        artikuj të ngjashëm, lajme të ngjashme
    """,
    "ar": """
        اقرأ أيضا, اقرأ أيضاً, اقرأ أيضًا, إقرأ أيضا, إقرأ أيضاً, اقرا ايضا, اقرأ المزيد, اقرأ كذلك, اقرأ ايضا, للمزيد,
        شاهد أيضا, شاهد أيضاً, شاهد أيضًا, انظر أيضا, انظر أيضاً, انظر أيضًا, مقالات ذات صلة,
        أخبار ذات صلة, مواضيع ذات صلة, ذات صلة,
        مواضيع متعلقة, مقالات متعلقة, أخبار متعلقة, قد يهمك أيضا, قد يهمك أيضاً, قد يهمك, مقالات مشابهة, تابع القراءة
    """,
    "fa": """
        بیشتر بخوانید, بیشتر بخوانیم, همچنین بخوانید, این را هم بخوانید, بخوانید, ادامه مطلب, مطالب مرتبط,
        اخبار مرتبط, خبرهای مرتبط,
        مقالات مرتبط, مطالب مشابه, همچنین ببینید, ببینید, نیز بخوانید
    """,
    "ur": "یہ بھی پڑھیں, مزید پڑھیں, مزید پڑھیے, یہ بھی دیکھیں, متعلقہ خبریں, متعلقہ مضامین, مزید خبریں",
    "he": """
        קראו גם, קרא גם, קראו עוד, קרא עוד, קראו בנוסף, לקריאה נוספת, המשך קריאה, להמשך קריאה, ראו גם,
        ראה גם, צפו גם, כתבות נוספות,
        כתבות קשורות, כתבות בנושא, עוד בנושא, מאמרים קשורים, ידיעות קשורות, אולי יעניין אתכם
    """,
    "hi": """
        यह भी पढ़ें, ये भी पढ़ें, इसे भी पढ़ें, और पढ़ें, आगे पढ़ें, यह भी देखें, ये भी देखें, और देखें,
        संबंधित खबरें, संबंधित ख़बरें, संबंधित लेख,
        संबंधित समाचार
    """,
    "bn": "আরও পড়ুন, আরো পড়ুন, এটিও পড়ুন, আরও দেখুন, আরো দেখুন, সম্পর্কিত খবর, সম্পর্কিত নিবন্ধ, সংশ্লিষ্ট খবর",
    "ta": """
        மேலும் படிக்க, இதையும் படிக்க, இதையும் படியுங்கள், மேலும் காண்க, தொடர்புடைய செய்திகள்,
        தொடர்புடைய கட்டுரைகள்
    """,
    "id": """
        baca juga, baca selengkapnya, baca lebih lanjut, baca lagi, selengkapnya, lihat juga, simak juga,
        artikel terkait, berita terkait,
        berita lainnya, bacaan terkait
    """,
    "ms": """
        baca juga, baca lagi, baca lanjut, baca selanjutnya, lihat juga, artikel berkaitan,
        berita berkaitan, berita lain
    """,
    "fil": """
        basahin din, basahin pa, basahin ang higit pa, tingnan din, kaugnay na balita,
        kaugnay na mga artikulo, magbasa pa
    """,
    "vi": """
        đọc thêm, đọc tiếp, xem thêm, xem tiếp, xem cả, đọc ngay, mời đọc thêm, bài liên quan,
        bài viết liên quan, tin liên quan,
        tin tức liên quan, có thể bạn quan tâm
    """,
    "th": """
        อ่านเพิ่มเติม, อ่านต่อ, อ่านข่าวเพิ่มเติม, อ่านอีก, อ่านด้วย, ดูเพิ่มเติม, ดูเพิ่ม,
        ข่าวที่เกี่ยวข้อง, บทความที่เกี่ยวข้อง, เรื่องที่เกี่ยวข้อง
    """,
    "zh": """
        相关阅读, 相关报道, 相关文章, 相关新闻, 相关内容, 延伸阅读, 扩展阅读, 阅读更多, 更多阅读, 另请参阅,
        另见, 参见, 推荐阅读, 继续阅读, 猜你喜欢,
        相關閱讀, 相關報導, 相關文章, 相關新聞, 相關內容, 延伸閱讀, 閱讀更多, 更多閱讀, 另請參閱, 另見,
        參見, 推薦閱讀, 繼續閱讀, 看更多
    """,
    "ja": """
        関連記事, 関連ニュース, 関連リンク, 関連情報, 関連, あわせて読みたい, 合わせて読みたい,
        こちらもおすすめ, こちらも読む, 続きを読む, もっと読む,
        もっと見る, 詳しく読む, 詳しくはこちら, 併せて読みたい, 参考記事, おすすめ記事, 次に読む,
        こちらもご覧ください, 関連する記事
    """,
    "ko": """
        관련 기사, 관련기사, 관련 뉴스, 관련뉴스, 관련 글, 더 읽기, 더 보기, 더보기, 함께 읽기,
        함께 볼 기사, 이어서 읽기, 함께 읽어보세요, 참고 기사, 추천 기사
    """,
    "ka": "წაიკითხეთ ასევე, წაიკითხეთ მეტი, ასევე წაიკითხეთ, იხილეთ ასევე, მსგავსი სტატიები, დაკავშირებული სტატიები",
    "hy": "կարդացեք նաև, կարդալ նաև, կարդալ ավելին, տես նաև, տեսեք նաև, առնչվող հոդվածներ",
    "sw": "soma pia, soma zaidi, tazama pia, habari zinazohusiana, makala zinazohusiana",
    "af": "lees ook hier, sien ook, verwante artikels, verwante stories",
}
"""Language -> headings of hand-made lists, in lower case."""

WEAK = {
    "en": """
        more, more from this section, more stories, more news, more coverage, more on, recommended,
        recommended for you, don't miss,
        background, explainer, what to read next, trending, watch, listen, editor's picks, from our archive, top stories
    """,
    "de": """
        mehr, hintergrund, empfohlen, empfehlungen, aus dem archiv, mehr nachrichten,
        mehr aus diesem ressort, video
    """,
    "fr": "plus, recommandé, à ne pas manquer, notre dossier, dans la même rubrique, décryptage, archives",
    "es": "más, recomendado, recomendados, no te pierdas, además, más noticias",
    "it": "di più, consigliati, da non perdere, altre notizie, approfondimento",
    "pt": "mais, recomendado, recomendados, não perca, mais notícias",
    "nl": "meer, aanbevolen, achtergrond, meer nieuws",
    "sv": "mer, rekommenderat, bakgrund, fler nyheter",
    "da": "mere, anbefalet, baggrund",
    "nb": "mer, anbefalt, bakgrunn",
    "pl": "więcej, polecamy, zobacz, czytaj",
    "ru": "ещё, еще, рекомендуем, контекст, читайте",
    "uk": "ще, рекомендуємо, читайте",
    "ja": "おすすめ, 注目記事",
    "zh": "推荐, 推薦, 更多",
}
"""Language -> headings that other blocks have too: they need links."""


def _phrases(table: Mapping[str, str]) -> set[str]:
    return {phrase for names in table.values() for phrase in " ".join(names.split()).split(", ")}


STRONG_PHRASES = _phrases(HEADINGS)
ALL_PHRASES = STRONG_PHRASES | _phrases(WEAK)

LEAD = re.compile(r"[\s\[({（【「『<>»›•·▪■◆●►▶→➡⇒☞👉*+–—-]*\ufe0f?\s*")
"""Marks in front of a heading."""

ON_SITE = r"(?:\s+(?:on|at|in|auf|bei|sur|dans|en|su|em|no|na|på|op|w|в|на)(?:\s+[\w.&'’-]{1,20}){0,4}(?=\s*[:：]))?"
"""The site that a heading names: "Read more on News.example:"."""


def _key(text: str) -> str:
    """Return the first letters of a heading, by which its pattern is found."""
    return text[:2].casefold().replace("\u0307", "")[:2]


def _patterns(phrases: set[str]) -> dict[str, re.Pattern[str]]:
    """Return a pattern for the phrases of each beginning. One pattern for all would be slow."""
    by_key: dict[str, list[str]] = {}
    for phrase in sorted(phrases, key=len, reverse=True):
        by_key.setdefault(_key(phrase), []).append(re.escape(phrase))
    tail = rf")(?!\w){ON_SITE}\s*(?P<colon>[:：])?\s*"
    return {key: re.compile(rf"(?P<heading>{'|'.join(names)}{tail}", re.IGNORECASE) for key, names in by_key.items()}


STRONG, STRONG_OR_WEAK = _patterns(STRONG_PHRASES), _patterns(ALL_PHRASES)

LONGEST_HEADING = 60
"""Longest heading in characters."""

SENTENCE = re.compile(r"[.…。][\"'”’»)\]」』]*$|[!?！？][\"”»」』]$")
"""The end of a sentence. A headline may be a question, but not a quoted one."""

HEADLINE_WORDS = 30
"""Maximum words of a headline."""

LIST_LENGTH = 12
"""Maximum entries of a hand-made list."""


def heading_of(text: str, *, linked: bool = False) -> re.Match[str] | None:
    """Match the heading at the beginning of a text, after brackets and bullets.

    Its group `colon` holds the colon that follows, if any.

    Args:
        linked: Accept weak headings too, because links follow.

    >>> line = "[Lesen Sie auch: Die Brücke]"
    >>> line[heading_of(line).end():]
    'Die Brücke]'
    >>> heading_of("More: The bridge"), heading_of("More: The bridge", linked=True)["heading"]
    (None, 'More')
    """
    lead = LEAD.match(text)
    start = lead.end() if lead else 0
    pattern = (STRONG_OR_WEAK if linked else STRONG).get(_key(text[start : start + 2]))
    return pattern.match(text, start) if pattern else None


def is_heading(text: str, *, linked: bool = False) -> bool:
    """Return whether a text is only a heading."""
    heading = text[: LONGEST_HEADING + 1].rstrip(" .…»›>→↓–—-]})）】」』")
    match = heading_of(heading, linked=linked)
    return match is not None and match.end() == len(heading)


def is_headline(text: str, words: int = HEADLINE_WORDS) -> bool:
    """Return whether a text is short, and neither a sentence with its full stop, nor a quotation, nor a label with a colon.

    Args:
        words: Maximum number of words.
    """
    return 0 < len(text.split()) <= words and not SENTENCE.search(text) and not text.rstrip().endswith((":", "："))
